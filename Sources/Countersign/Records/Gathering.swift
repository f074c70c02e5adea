/// Collects a page of what passes a filter that no index knows, from rows in descending order, in bounded steps: a page may
/// have fewer items than asked for, even none, and still name a next one. Only a page without `next` is the last.
struct Gathering {
    /// Rows of one step, and how many steps one request takes.
    var step = 500
    var steps = 10

    /// - Parameters:
    ///   - rows: up to so many rows below a cursor, in descending order.
    ///   - cursor: of a row; the next one begins below it.
    func gather<Row, Item, Cursor>(
        before: Cursor?, limit: Int, cursor: (Row) -> Cursor, item: (Row) throws -> Item?,
        rows: (_ before: Cursor?, _ count: Int) async throws(QueueError) -> [Row]
    ) async throws(QueueError) -> (items: [Item], next: Cursor?) {
        var (items, position) = ([Item](), before)
        for _ in 0..<steps {
            let found = try await rows(position, step)
            for row in found {
                position = cursor(row)
                do {
                    guard let passed = try item(row) else { continue }
                    items.append(passed)
                } catch {
                    throw QueueError(error)
                }
                if items.count == limit { return (items, position) }
            }
            if found.count < step { return (items, nil) }
        }
        return (items, position)
    }

    /// The same with the cursor that most lists have.
    func page<Row, Item: Sendable>(
        before: Int64?, limit: Int, cursor: (Row) -> Int64, item: (Row) throws -> Item?,
        rows: (_ before: Int64?, _ count: Int) async throws(QueueError) -> [Row]
    ) async throws(QueueError) -> Page<Item> {
        let gathered = try await gather(before: before, limit: limit, cursor: cursor, item: item, rows: rows)
        return Page(gathered.items, next: gathered.next)
    }
}
