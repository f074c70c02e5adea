import OCI

@testable import Countersign

/// One attempt at one claim, in the memory of a process: where it stands in the line, and what it knows.
struct SimulatedAttempt: Sendable {
    typealias Time = QueueModel.Time

    /// The line of `SignArtifact`, cut wherever a process can die or stand still.
    enum Step: Sendable {
        case authorise, fetch, readEvidence, adopt, certificate, sign, submitEarly, prepare
        // for each format
        case examine, submit, ask, lookUp, noteMissing, giveUp, recordEntry
        case checkServed, takeTurn, pushBlob, pushManifest, readList, writeList, releaseTurn, readBack, recordPush, next
        case settle

        var stage: SigningStage {
            switch self {
            case .authorise, .readEvidence: .authorise
            case .fetch: .fetch
            case .adopt: .adopt
            case .certificate: .certificate
            case .sign: .sign
            case .prepare, .settle: .prepare
            case .submitEarly, .examine, .submit, .ask, .lookUp, .noteMissing, .giveUp: .log
            case .recordEntry: .verify
            case .takeTurn, .pushBlob, .pushManifest, .readList, .writeList, .releaseTurn, .next: .publish
            case .checkServed, .readBack, .recordPush: .readBack
            }
        }
    }

    let held: QueueModel.Held
    let claim: Claim
    let target: Target
    let isAlone: Bool
    var step = Step.authorise
    /// The format that the line is at.
    var format = 0
    /// Signatures that are in memory only.
    var made: [JournalModel.Made] = []
    /// The evidence of each format, as it was when it was read.
    var evidence: [JournalModel.EvidenceRow] = []
    var certificateEnd: Time = 0
    var entry: Time?
    /// When the log was about to be asked, by the database's clock.
    var asked: Time = 0
    var missed: Time = 0
    /// The list as it was read.
    var list: [Int] = []
    var rounds = 0
    /// Until when it may write to its subject; 0 when it does not.
    var turnUntil: Time = 0
    var outcome: Outcome?
    var settleTries = 0
    /// A heartbeat said that it should end.
    var isStopped = false
    var isOver = false

    init(_ held: QueueModel.Held, isAlone: Bool = false) {
        self.held = held
        self.isAlone = isAlone
        target = Self.targets[held.target]
        claim = Claim(
            jobID: held.jobID, leaseToken: held.token, kind: .sign, subject: .target(target, isRecheck: false),
            lane: .live, attempt: held.attempt, failures: held.failures, crashes: held.crashes, depth: 0,
            deliveryKey: nil,
            groupID: nil, lease: LeaseTrust(jobID: held.jobID, until: .now))
    }

    mutating func end(as outcome: Outcome) {
        self.outcome = outcome
        step = .settle
    }

    /// As the claims name them.
    private static let targets: [Target] = {
        guard let repository = try? Repository(registry: "registry.example", name: "team/app") else {
            preconditionFailure("not a repository")
        }
        return (0..<8).map {
            Target(id: Int64($0), repositoryID: 1, repository: repository, digest: sampleDigest("image \($0)"))
        }
    }()
}
