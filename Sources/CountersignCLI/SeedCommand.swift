import ArgumentParser
import Countersign
import FoundationEssentials
import Logging
import Postgres

struct SeedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seed", abstract: "Load sample deliveries through the real intake, and show what becomes of each.",
        discussion: """
            Every seeds/deliveries/*.json is taken as a delivery to one endpoint of the configuration: parsed, judged by its
            list and the policy, and stored, as if the registry had posted it. For trying a configuration; not for production.
            """)

    @OptionGroup var configuration: ConfigurationOption
    @OptionGroup var output: OutputOption
    @Option(help: "Folder with the seeds.") var seeds = "seeds"
    @Option(help: "Endpoint that the deliveries are for; the first of the configuration if not given.") var endpoint:
        String?

    private struct Answer: Encodable {
        let delivery: String
        let receipt: Intake.Receipt
    }

    func run() async throws {
        let configuration = try configuration.load()
        guard configuration.environment == .development else {
            throw CommandFailure(
                code: "seed.production", observed: "sample deliveries do not belong in a production queue",
                fix: "set environment: development in the configuration of the trial", status: 2)
        }
        guard let target = configuration.endpoints.first(where: { $0.name == endpoint ?? $0.name }),
            let secret = target.secrets.first
        else {
            throw CommandFailure(code: "seed.endpoint", observed: "no such endpoint in the configuration", status: 2)
        }
        let pool = ConnectionPool(try configuration.database.connection(applicationName: "countersign seed"), size: 1)
        let logger = Logger(label: "seed") { _ in SwiftLogNoOpLogHandler() }
        let queue = JobQueue(pool: pool, notifier: JobNotifier(signal: JobSignal(), pool: nil, logger: logger))
        let intake = Intake(
            configuration, policy: SigningPolicy(configuration), metrics: ServiceMetrics(), logger: logger
        ) { requests throws(QueueError) in try await queue.enqueue(requests) }
        do {
            let answers = try await deliver(intake, to: target, secret)
            try tell(answers)
        } catch {
            await pool.close()
            throw error
        }
        await pool.close()
    }

    private func deliver(_ intake: Intake, to endpoint: EndpointConfiguration, _ secret: Secret) async throws
        -> [Answer]
    {
        let folder = URL(fileURLWithPath: seeds).appending(path: "deliveries")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".json") }
            .sorted()
        var answers: [Answer] = []
        for name in names {
            let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            let body = Array(text.replacing("${REGISTRY}", with: endpoint.registry).utf8)
            do throws(IntakeError) {
                let delivery = endpoint.kind.proof.proving(Delivery(body: body), with: secret)
                let sender = try intake.admit(to: endpoint.name, head: delivery.head)
                let receipt = try await intake.receive(delivery.body, from: sender)
                answers.append(Answer(delivery: name, receipt: receipt))
            } catch {
                throw CommandFailure(code: error.code, observed: "\(name): \(error)")
            }
        }
        return answers
    }

    private func tell(_ answers: [Answer]) throws {
        guard output.output == .text else { return try Console.json(answers) }
        for answer in answers {
            let counts = [
                ("accepted", answer.receipt.accepted), ("known", answer.receipt.known),
                ("refused", answer.receipt.refused),
                ("ignored", answer.receipt.ignored),
            ]
            let words = counts.filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
            print(words + String(repeating: " ", count: max(1, 24 - words.count)) + answer.delivery)
        }
    }
}
