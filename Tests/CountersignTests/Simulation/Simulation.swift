import OCI

@testable import Countersign

/// Some daemons, some targets and everything that can go wrong between them, one step at a time in an order that a seed
/// repeats. The tables, the log and the registry are models; what is decided (states, failures, waits, crashes, lanes,
/// generations, margins) is the code of the daemon itself.
///
/// First a time of accidents: processes die, stand still past their leases and wake as zombies, requests fail, answers are
/// lost, the log is late, people push again and interfere. Then a calm, in which every target must end. After every step the
/// rules must hold; the first that does not ends the run.
struct Simulation: Sendable {
    typealias Time = QueueModel.Time

    /// A fault of the program, not of its surroundings, that the rules must find.
    enum Flaw: String, Sendable, CaseIterable {
        case writesUnfenced, submitsBeforeCommit, signsAnew, settlesUnread, takesNoTurns, datesLookAfterwards,
            overstaysTurn
    }

    /// What a schedule has more of: nothing, certificates that end and a log that is late, or writers of one subject.
    enum Temper: Sendable, CaseIterable {
        case even, expiring, crowded
    }

    /// What a registry and the policy say of an image.
    enum Nature: Sendable, CaseIterable {
        case good, absent, broken, refused
    }

    struct Violation: Error, Sendable, CustomStringConvertible {
        let description: String
    }

    struct Daemon: Sendable {
        var attempts: [SimulatedAttempt] = []
        var lanes = LaneSchedule()
        /// The open certificate: its end, and when no signature is made with it any more.
        var window: (end: Time, closes: Time)?
        var frozenUntil: Time = 0
    }

    /// One image to sign: what it is, in how many formats, and whose referrers it shares.
    struct Image: Sendable {
        let nature: Nature
        let formats: Int
        let subject: Int
    }

    static let lease: Time = 30_000
    static let turn: Time = 60_000
    static let slots = 2

    let flaw: Flaw?
    let temper: Temper
    let images: [Image]
    var dice: Dice
    var queue: QueueModel
    var journal = JournalModel()
    var outside: OutsideModel
    var daemons: [Daemon]
    var isCalm = false
    var violation: Violation?
    /// Of each signature: its target and format.
    var signatures: [(target: Int, format: Int)] = []
    var explained: Set<Int> = []
    /// What was written when the rules were looked at.
    var checked = 0
    /// Images whose published signature was deleted at some time.
    var robbed: Set<Int> = []
    /// What happened, if it is to be told; and how often what is rare.
    var story: [String]?
    var counts = Counts()

    struct Counts: Sendable, Equatable {
        var (zombies, waitsForTurn, deaths, standstills, lateEntries) = (0, 0, 0, 0, 0)
    }

    init(seed: Int, flaw: Flaw? = nil, isTold: Bool = false) {
        var dice = Dice(seed: seed)
        self.flaw = flaw
        let temper = Temper.allCases[dice.below(3)]
        let count = temper == .crowded ? 2 : 1 + dice.below(3)
        images = (0..<count).map { _ in
            let nature = dice.perMille(850) ? Nature.good : Nature.allCases[dice.below(4)]
            return Image(nature: nature, formats: 1 + dice.below(2), subject: temper == .crowded ? 0 : dice.below(2))
        }
        queue = QueueModel(targets: count, lease: Self.lease, crashBackoffCeiling: .seconds(60))
        queue.isFenced = flaw != .writesUnfenced
        self.temper = temper
        outside = OutsideModel(lists: 4, datesEntries: dice.perMille(700))
        daemons = Array(repeating: Daemon(), count: 1 + dice.below(3))
        story = isTold ? [] : nil
        self.dice = dice
    }

    /// - Returns: the rule that was broken, if one was.
    mutating func run() -> Violation? {
        for image in images.indices { queue.push(image, lane: .live) }
        for _ in 0..<(60 + dice.below(160)) where violation == nil {
            disturb()
            check()
        }
        calmDown()
        if violation == nil { judge() }
        return violation
    }

    mutating func violate(_ what: String) {
        if violation == nil { violation = Violation(description: what) }
    }

    mutating func tell(_ event: @autoclosure () -> String) {
        if story != nil { story?.append("\(queue.now) ms: \(event())") }
    }

    // MARK: The time of accidents

    private mutating func disturb() {
        let chosen = dice.below(daemons.count)
        let daemon = isAwake(chosen) ? chosen : daemons.indices.first(where: isAwake) ?? chosen
        let isAwake = isAwake(daemon)
        let image = dice.below(images.count)
        switch dice.below(1_000) {
        case 0..<670: if isAwake { advanceSome(daemon) }
        case 670..<740: if isAwake { claim(daemon) }
        case 740..<790: pass(100 + dice.below(3_000))
        case 790..<810: pass(5_000 + dice.below(60_000))
        case 810..<818: pass(100_000 + dice.below(600_000))
        case 818..<830: if temper == .expiring { pass(60_000 + dice.below(120_000)) }
        case 830..<880: if isAwake { heartbeat(daemon) }
        case 880..<895: if isAwake { rescue() }
        case 895..<915:
            tell("push \(image)")
            queue.push(image, lane: Lane.allCases[dice.below(3)])
        case 915..<932: crash(daemon)
        case 932..<949: freeze(daemon)
        case 949..<955:
            tell("an operator cancels \(image)")
            _ = queue.cancel(image)
        case 955..<963: _ = queue.retry(image)
        case 963..<973: _ = queue.redrive(queue.letters.map(\.jobID))
        case 973..<985: rescue()
        default: lose(image)
        }
    }

    private func isAwake(_ daemon: Int) -> Bool { daemons[daemon].frozenUntil <= queue.now }

    private mutating func advanceSome(_ daemon: Int) {
        guard !daemons[daemon].attempts.isEmpty else { return claim(daemon) }
        let slot = dice.below(daemons[daemon].attempts.count)
        // where a standstill is worst
        switch (temper, daemons[daemon].attempts[slot].step) {
        case (.crowded, .writeList): if dice.perMille(200) { return freeze(daemon) }
        case (.expiring, .giveUp):
            if dice.perMille(400) {
                freeze(daemon)
                return pass(130_000 + dice.below(120_000))
            }
        default: break
        }
        advance(daemon, slot)
    }

    private mutating func crash(_ daemon: Int) {
        let running = daemons[daemon].attempts.count
        tell("daemon \(daemon) dies with \(running) attempts")
        daemons[daemon] = Daemon()
        counts.deaths += 1
    }

    private mutating func freeze(_ daemon: Int) {
        let seconds = dice.perMille(temper == .even ? 150 : 500) ? 70 + dice.below(180) : 5 + dice.below(50)
        daemons[daemon].frozenUntil = queue.now + seconds * 1_000
        counts.standstills += 1
        tell("daemon \(daemon) stands still for \(seconds) s")
    }

    /// Somebody deletes what was published; the push that follows finds it out, unless an operator cancels the look.
    private mutating func lose(_ image: Int) {
        guard let row = journal.live(image, 0), outside.serves(row.signature, in: place(image, 0)) else { return }
        tell("the registry loses signature \(row.signature) of \(image)")
        outside.lose(row.signature, in: place(image, 0))
        robbed.insert(image)
        queue.push(image, lane: .live)
    }

    /// Lets time go by, but nobody's turn at a subject: a publication's requests take less together (`worker.subject_lease`).
    mutating func pass(_ span: Time) {
        var end = queue.now + span
        if flaw != .overstaysTurn {
            for daemon in daemons.indices {
                for attempt in daemons[daemon].attempts where attempt.turnUntil > queue.now {
                    end = min(end, attempt.turnUntil - 1)
                    daemons[daemon].frozenUntil = min(daemons[daemon].frozenUntil, attempt.turnUntil - 1)
                }
            }
        }
        queue.now = max(queue.now, end)
        outside.arrive(by: queue.now)
    }

    // MARK: Chance

    enum Fault: Sendable {
        case none, error, lost
    }

    mutating func fault() -> Fault {
        guard !isCalm else { return .none }
        switch dice.below(100) {
        case 0: return .error
        case 1..<4: return .lost
        default: return .none
        }
    }

    /// The list under which a target's signature of a format is found.
    func place(_ image: Int, _ format: Int) -> Int { images[image].subject * 2 + format }
}
