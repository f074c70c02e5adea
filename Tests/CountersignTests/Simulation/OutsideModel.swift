/// A log and a registry as they are seen from here. The log takes bytes once and answers with the same entry ever after; it
/// may take its time. The registry is content-addressed, but for its lists, which anybody overwrites.
struct OutsideModel: Sendable {
    typealias Time = QueueModel.Time

    /// Whether the log stamps its entries with its own time (Rekor v1).
    let datesEntries: Bool
    /// When each signature's bytes entered the log.
    private(set) var entries: [Int: Time] = [:]
    private var arriving: [(signature: Int, at: Time)] = []
    /// When the log was asked for a signature's entry and had none.
    private(set) var looks: [Int: [Time]] = [:]

    private(set) var blobs: Set<Int> = []
    private(set) var manifests: Set<Int> = []
    /// What is listed under each fallback index or legacy tag.
    private(set) var lists: [[Int]]
    /// What was read back and compared.
    private(set) var readBack: Set<Int> = []

    init(lists: Int, datesEntries: Bool) {
        self.lists = Array(repeating: [], count: lists)
        self.datesEntries = datesEntries
    }

    // MARK: The log

    /// - Parameter delay: until the log shows what it took; no answer then.
    mutating func submit(_ signature: Int, at now: Time, delay: Time = 0) -> Time? {
        if let entry = entries[signature] { return entry }
        guard delay == 0 else {
            arriving.append((signature, now + delay))
            return nil
        }
        entries[signature] = now
        return now
    }

    mutating func lookUp(_ signature: Int, at now: Time) -> Time? {
        if let entry = entries[signature] { return entry }
        looks[signature, default: []].append(now)
        return nil
    }

    mutating func arrive(by now: Time) {
        guard !arriving.isEmpty else { return }
        for (signature, time) in arriving where time <= now && entries[signature] == nil { entries[signature] = time }
        arriving.removeAll { $0.at <= now }
    }

    // MARK: The registry

    mutating func pushBlob(_ signature: Int) { blobs.insert(signature) }

    mutating func pushManifest(_ signature: Int) { manifests.insert(signature) }

    mutating func write(_ list: [Int], to place: Int) { lists[place] = list }

    func serves(_ signature: Int, in place: Int) -> Bool {
        lists[place].contains(signature) && manifests.contains(signature) && blobs.contains(signature)
    }

    mutating func read(_ signature: Int) -> Bool {
        guard manifests.contains(signature), blobs.contains(signature) else { return false }
        readBack.insert(signature)
        return true
    }

    /// Somebody deletes it.
    mutating func lose(_ signature: Int, in place: Int) {
        manifests.remove(signature)
        lists[place].removeAll { $0 == signature }
    }
}
