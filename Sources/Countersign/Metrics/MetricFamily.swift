import Synchronization

/// One name with its help, its kind and its series.
final class MetricFamily: Sendable {
    enum Kind: Sendable {
        case counter, gauge
        case histogram([Double])

        var name: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    /// Series of one family; further label sets are counted under `other`. Labels come from the configuration and from
    /// closed sets, so this is a belt: nothing a sender chooses may fill the memory.
    static let maxSeries = 500

    private struct Series {
        var value = 0.0
        var buckets: [UInt64] = []
        var count: UInt64 = 0
    }

    let name: String
    private let help: String
    private let kind: Kind
    private let labels: [String]
    private let series = Mutex<[[String]: Series]>([:])

    init(_ name: String, _ help: String, _ kind: Kind, labels: [String]) {
        self.name = name
        self.help = help
        self.kind = kind
        self.labels = labels
        // A family without labels shows its zero from the start: rate() needs the first step.
        if labels.isEmpty, case .counter = kind { change([]) { _ in } }
    }

    // MARK: Changes

    func add(_ amount: Double, _ labels: [String]) { change(labels) { $0.value += max(0, amount) } }
    func raise(to total: Double, _ labels: [String]) { change(labels) { $0.value = max($0.value, total) } }
    func set(_ value: Double, _ labels: [String]) { change(labels) { $0.value = value } }
    func clear() { series.withLock { $0 = [:] } }
    func remove(_ labels: [String]) { series.withLock { $0[labels] = nil } }

    /// A series of what the configuration names, or of a closed set: it is there however many there are.
    func initialize(_ labels: [String]) {
        assert(labels.count == self.labels.count, "\(name) has the labels \(self.labels)")
        series.withLock { $0[labels, default: Series()].value += 0 }
    }

    func observe(_ value: Double, _ labels: [String]) {
        guard case .histogram(let bounds) = kind else { return }
        change(labels) { series in
            if series.buckets.isEmpty { series.buckets = Array(repeating: 0, count: bounds.count) }
            if let first = bounds.firstIndex(where: { value <= $0 }) { series.buckets[first] += 1 }
            series.value += value
            series.count += 1
        }
    }

    private func change(_ values: [String], _ body: (inout Series) -> Void) {
        assert(values.count == labels.count, "\(name) has the labels \(labels)")
        series.withLock { all in
            let known = all[values] != nil || all.count < Self.maxSeries
            body(&all[known ? values : values.map { _ in "other" }, default: Series()])
        }
    }

    // MARK: Reading

    func value(_ labels: [String]) -> Double { series.withLock { $0[labels]?.value ?? 0 } }
    func shows(_ labels: [String]) -> Bool { series.withLock { $0[labels] != nil } }
    func count(_ labels: [String]) -> Int { series.withLock { Int($0[labels]?.count ?? 0) } }

    var values: [(labels: [String], value: Double)] {
        series.withLock { $0.map { ($0.key, $0.value.value) } }
    }

    /// `# HELP`, `# TYPE` and one line a sample.
    var text: String {
        let all = series.withLock { $0 }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        var text = "# HELP \(name) \(help)\n# TYPE \(name) \(kind.name)\n"
        for (values, series) in all {
            let pairs = zip(labels, values).map { "\($0)=\"\(Self.escaped($1))\"" }
            guard case .histogram(let bounds) = kind else {
                text += sample(name, pairs, Self.number(series.value))
                continue
            }
            var cumulated: UInt64 = 0
            for (bound, count) in zip(bounds, series.buckets) {
                cumulated += count
                text += sample("\(name)_bucket", pairs + ["le=\"\(Self.number(bound))\""], "\(cumulated)")
            }
            text += sample("\(name)_bucket", pairs + ["le=\"+Inf\""], "\(series.count)")
            text += sample("\(name)_sum", pairs, Self.number(series.value))
            text += sample("\(name)_count", pairs, "\(series.count)")
        }
        return text
    }

    private func sample(_ name: String, _ pairs: [String], _ value: String) -> String {
        pairs.isEmpty ? "\(name) \(value)\n" : "\(name){\(pairs.joined(separator: ","))} \(value)\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    /// Exposition format: backslash, quote and line end are escaped in label values.
    private static func escaped(_ value: String) -> String {
        var result = ""
        for character in value {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n", "\r\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}
