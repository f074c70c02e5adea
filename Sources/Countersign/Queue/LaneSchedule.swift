/// Which lane a claim looks into first: 8 : 3 : 1 for live, default and bulk, spread evenly (smooth weighted round
/// robin). The other lanes follow in order of urgency, so that a slot is never left empty for fairness' sake.
package struct LaneSchedule: Sendable {
    private static let weights: [(lane: Lane, weight: Int)] = [(.live, 8), (.default, 3), (.bulk, 1)]
    private var credit = [0, 0, 0]

    package init() {}

    package mutating func next() -> [Lane] {
        var first = 0
        for index in credit.indices {
            credit[index] += Self.weights[index].weight
            if credit[index] > credit[first] { first = index }
        }
        credit[first] -= Self.weights.reduce(0) { $0 + $1.weight }
        let chosen = Self.weights[first].lane
        return [chosen] + Lane.allCases.filter { $0 != chosen }
    }
}
