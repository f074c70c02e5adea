import ArgumentParser
import Countersign
import Curl
import FoundationEssentials
import OCI

/// Distinct images at a steady rate, or as fast as the registry takes them; then how long each was unsigned.
struct Burst: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Push N distinct images and report push→signed: from the registry's 201 to the daemon's read-back.")

    @Option(help: "Registry, host:port.") var registry: String
    @Option(help: "The daemon's API.") var api: String
    @Option(help: "File with an API token.") var tokenFile: String?
    @Option(help: "How many images.") var images = 600
    @Option(help: "How many tags in all; the first images have a second one. Default: one for each image.") var tags:
        Int?
    @Option(help: "Images a second; 0 = as fast as the registry takes them.") var rate = 20.0
    @Option(help: "Over how many repositories.") var repositories = 10
    @Option(help: "Prefix of the repositories.") var prefix = "load"
    @Option(help: "Pushes at a time when the rate is 0.") var concurrency = 8
    @Option(help: "One line per push: reference, digest, when accepted.") var journal: String?
    @Option(help: "Seconds to wait for the last signature after the last push.") var timeout = 120
    @Option(help: "File for a reference by tag a line, of every tag.") var references: String?
    @Flag(help: "Only push; do not wait and measure.") var pushOnly = false

    func validate() throws {
        guard (tags ?? images) >= images, (tags ?? images) <= 2 * images else {
            throw ValidationError("--tags is from the number of images to twice that.")
        }
    }

    func run() async throws {
        let http = HTTPClient(userAgent: "countersign-push/1")
        defer { http.shutdown() }
        let pusher = try ImagePusher(registry: registry, http: http)
        let started = ContinuousClock.now
        let pushed = try await pushAll(pusher)
        let took = ContinuousClock.now - started
        try writeJournal(pushed)
        try writeReferences()
        print(
            "pushed \(pushed.count) images in \((took / .seconds(1)).fixed(1)) s (\((Double(pushed.count) / (took / .seconds(1))).fixed(1))/s)"
        )
        guard !pushOnly else { return }

        let status = StatusPoller(api: api, token: try tokenFile.map(readToken), http: http)
        let outcomes = try await status.outcomes(of: pushed, within: .seconds(timeout))
        let total = ContinuousClock.now - started
        report(outcomes, pushed: pushed, total: total)
        if outcomes.contains(where: { $0.state != "signed" }) || outcomes.count != pushed.count { throw ExitCode(1) }
    }

    private func pushAll(_ pusher: ImagePusher) async throws -> [ImagePusher.Pushed] {
        let begin = ContinuousClock.now
        return try await withThrowingTaskGroup(of: ImagePusher.Pushed.self) { group in
            var pushed: [ImagePusher.Pushed] = []
            var running = 0
            for number in 0..<images {
                if rate > 0 {
                    try await Task.sleep(until: begin + .seconds(Double(number) / rate), clock: .continuous)
                } else if running >= concurrency, let one = try await group.next() {
                    pushed.append(one)
                    running -= 1
                }
                let repository = "\(prefix)/app-\(number % max(1, repositories))"
                running += 1
                group.addTask { try await pusher.pushImage(repository, tags: tagNames(of: number)) }
            }
            for try await one in group { pushed.append(one) }
            return pushed
        }
    }

    private func tagNames(of number: Int) -> [String] {
        number < (tags ?? images) - images ? ["t\(number)", "t\(number)-stable"] : ["t\(number)"]
    }

    private func writeReferences() throws {
        guard let references else { return }
        let lines = (0..<images).flatMap { number in
            tagNames(of: number).map { "\(registry)/\(prefix)/app-\(number % max(1, repositories)):\($0)" }
        }
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: references))
    }

    private func writeJournal(_ pushed: [ImagePusher.Pushed]) throws {
        guard let journal else { return }
        let lines = pushed.map {
            #"{"reference":"\#($0.reference)","repository":"\#($0.repository)","digest":"\#($0.digest)","accepted":\#($0.acceptedAt.timeIntervalSince1970)}"#
        }
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: journal))
    }

    private func report(_ outcomes: [StatusPoller.Outcome], pushed: [ImagePusher.Pushed], total: Duration) {
        let accepted = Dictionary(
            pushed.map { ("\($0.repository)@\($0.digest)", $0.acceptedAt) }, uniquingKeysWith: { a, _ in a })
        let states = Dictionary(grouping: outcomes, by: \.state).mapValues(\.count).sorted { $0.key < $1.key }
        print("states: " + states.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
        let latencies = outcomes.compactMap { outcome -> Double? in
            guard let verified = outcome.verifiedAt, let at = accepted[outcome.key] else { return nil }
            return verified.timeIntervalSince(at) * 1000
        }.sorted()
        guard !latencies.isEmpty else { return }
        func percentile(_ p: Double) -> String {
            latencies[min(latencies.count - 1, Int(Double(latencies.count) * p))].fixed(0)
        }
        print(
            "push→signed ms: p50 \(percentile(0.5))  p90 \(percentile(0.9))  p99 \(percentile(0.99))  max \(percentile(1))"
        )
        print(
            "signed \(outcomes.count) in \((total / .seconds(1)).fixed(1)) s: \((Double(outcomes.count) / (total / .seconds(1))).fixed(1)) digests/s"
        )
    }
}

/// The first line of a token file.
func readToken(_ path: String) throws -> String {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    guard let line = text.split(whereSeparator: \.isNewline).first else { throw ValidationError("\(path) is empty") }
    return String(line)
}

extension Double {
    /// Decimal text with `digits` after the point.
    func fixed(_ digits: Int) -> String {
        let scale = Int((0..<digits).reduce(1) { power, _ in power * 10 })
        let scaled = Int((magnitude * Double(scale)).rounded())
        let sign = self < 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(scaled)" }
        let fraction = String(scaled % scale)
        return "\(sign)\(scaled / scale).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }
}
