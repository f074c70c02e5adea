/// A fault as JSON.
struct FaultForm: Codable {
    /// `delay`, `status`, `drop`, `clock`, `refuse_token`, or the name of a distortion.
    let kind: String
    var seconds: Double?
    var status: Int?
    var retryAfter: Int?
    var path: String?
    var count: Int?

    enum CodingKeys: String, CodingKey {
        case kind, seconds, status, path, count
        case retryAfter = "retry_after"
    }

    init(_ fault: Fault) {
        path = fault.path
        count = fault.remaining
        switch fault.effect {
        case .delay(let duration): (kind, seconds) = ("delay", duration / .seconds(1))
        case .clockOffset(let offset): (kind, seconds) = ("clock", offset / .seconds(1))
        case .status(let code, let after): (kind, status, retryAfter) = ("status", code, after)
        case .dropAnswer: kind = "drop"
        case .refuseToken: kind = "refuse_token"
        case .distort(let distortion): kind = distortion.rawValue
        }
    }

    func fault() throws(LabError) -> Fault {
        if let count, count < 1 { throw LabError.configuration("count must be at least 1") }
        return Fault(try effect(), path: path, count: count)
    }

    private func effect() throws(LabError) -> Fault.Effect {
        switch kind {
        case "drop": return .dropAnswer
        case "refuse_token": return .refuseToken
        case "status":
            guard let status, (400...599).contains(status) else {
                throw LabError.configuration("status must be between 400 and 599")
            }
            return .status(status, retryAfter: retryAfter)
        case "delay":
            guard let seconds, (0...86_400).contains(seconds) else {
                throw LabError.configuration("a delay is 0 to 86400 seconds")
            }
            return .delay(.seconds(seconds))
        case "clock":
            guard let seconds, abs(seconds) <= 10 * 365 * 86_400 else {
                throw LabError.configuration("a clock is wrong by at most ten years of seconds")
            }
            return .clockOffset(.seconds(seconds))
        default:
            guard let distortion = Fault.Distortion(rawValue: kind) else {
                throw LabError.configuration("\"\(kind)\" is not a fault")
            }
            return .distort(distortion)
        }
    }
}

extension FaultForm {
    /// Name of the request header that asks for faults of that one request.
    static let header = "X-Lab-Fault"

    /// Reads the header's value: `delay=2`, `status=429;retry_after=5`, `drop`, `clock=-3600`, `bad_set`, …, separated by
    /// commas.
    ///
    /// - Throws: `LabError.configuration` naming the part that cannot be read.
    static func faults(inHeader text: String) throws(LabError) -> [Fault] {
        var faults: [Fault] = []
        for part in text.split(separator: ",") {
            let items = part.split(separator: ";").map { $0.split(separator: "=", maxSplits: 1).map(trimmed) }
            guard let kind = items.first?.first else { throw .configuration("\(header): \"\(part)\" is not a fault") }
            var form = FaultForm(kind)
            for item in items where item.count == 2 {
                switch item[0] {
                case "delay", "clock": form.seconds = Double(item[1])
                case "status": form.status = Int(item[1])
                case "retry_after": form.retryAfter = Int(item[1])
                default: throw .configuration("\(header): \"\(item[0])\" takes no value")
                }
            }
            faults.append(try form.fault())
        }
        return faults
    }

    private init(_ kind: String) { self.kind = kind }

    private static func trimmed(_ text: Substring) -> String { text.filter { !$0.isWhitespace } }
}
