import FoundationEssentials
import Synchronization

/// What the lab can make anew while it runs: the old stays trusted for the time it was in use, the new stands beside it.
package enum LabMaterial: String, Sendable, CaseIterable, Codable {
    /// Fulcio's root and intermediate.
    case fulcio
    /// The certificate transparency log: a new key and a new, empty log.
    case ct
    /// Rekor v1: a new key and a new tree; the old tree is still read under its UUIDs and indexes.
    case rekor
    /// Rekor v2: a new shard with a URL of its own; the old is frozen, its tiles stay.
    case rekor2
    /// The timestamp authority: root and leaf.
    case tsa
}

/// One member of a lineage and the time in which it is, or was, in use.
struct Generation<Member: Sendable>: Sendable {
    /// Counted from 1.
    let number: Int
    let member: Member
    let start: Date
    /// `nil` while it is in use.
    let end: Date?
}

/// All generations of one kind of material, kept in the lab's folder; the last is in use.
final class Lineage<Member: Sendable>: Sendable {
    private let material: LabMaterial
    private let chronicle: Chronicle
    private let make: @Sendable (_ number: Int, _ earlier: [Member]) throws -> Member
    private let members: Mutex<[Member]>

    /// Loads every generation that the chronicle knows.
    ///
    /// - Parameter make: loads or makes the member of a number; the earlier ones are given. It may block.
    init(
        _ material: LabMaterial, _ chronicle: Chronicle,
        make: @escaping @Sendable (_ number: Int, _ earlier: [Member]) throws -> Member
    ) throws {
        (self.material, self.chronicle, self.make) = (material, chronicle, make)
        var loaded: [Member] = []
        for number in 1...chronicle.windows(of: material).count { loaded.append(try make(number, loaded)) }
        members = Mutex(loaded)
    }

    /// All generations, the oldest first.
    var all: [Generation<Member>] {
        zip(members.withLock { $0 }, chronicle.windows(of: material)).enumerated().map { index, pair in
            Generation(number: index + 1, member: pair.0, start: pair.1.start, end: pair.1.end)
        }
    }

    /// The member in use.
    var current: Member {
        members.withLock { $0[$0.count - 1] }  // never empty: every lineage begins with number 1
    }

    /// Makes the next member and puts it to use; the one before is closed as of `now`. Blocks.
    func advance(now: Date) throws {
        let earlier = members.withLock { $0 }
        let next = try make(earlier.count + 1, earlier)
        try chronicle.close(material, now: now)
        members.withLock { $0.append(next) }
    }
}

/// When each generation of each material was in use: `keys/generations.json`.
final class Chronicle: Sendable {
    struct Window: Codable, Sendable {
        /// Seconds since 1970.
        var from: Int64
        var to: Int64?
        var start: Date { Date(timeIntervalSince1970: TimeInterval(from)) }
        var end: Date? { to.map { Date(timeIntervalSince1970: TimeInterval($0)) } }
    }

    private let path: String
    private let first: Window
    private let windows: Mutex<[String: [Window]]>

    /// - Parameter validFrom: when the first generation of everything began.
    init(path: String, validFrom: Date) throws {
        self.path = path
        first = Window(from: Int64(validFrom.timeIntervalSince1970), to: nil)
        guard let text = try AtomicFile.read(path) else {
            windows = Mutex([:])
            return
        }
        windows = Mutex(try JSONDecoder().decode([String: [Window]].self, from: Data(text.utf8)))
    }

    func windows(of material: LabMaterial) -> [Window] { windows.withLock { $0[material.rawValue] } ?? [first] }

    /// Ends the window in use and begins the next. They overlap by up to a second, so that no moment is without trust.
    func close(_ material: LabMaterial, now: Date) throws {
        var all = windows(of: material)
        let seconds = Int64(now.timeIntervalSince1970)
        all[all.count - 1].to = seconds + 1
        all.append(Window(from: seconds, to: nil))
        let known = windows.withLock { windows in
            windows[material.rawValue] = all
            return windows
        }
        try AtomicFile.write(String(decoding: try canonicalJSON(known), as: UTF8.self), to: path)
    }
}
