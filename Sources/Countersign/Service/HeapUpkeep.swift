import CHeap
import FoundationEssentials
import ServiceLifecycle

/// Keeps what the process holds of memory close to what it uses: what a batch took at its height goes back after it.
///
/// glibc gives each thread an arena of its own, up to eight for each core, and gives back only what lies at an arena's end: each
/// arena keeps the height of its own worst moment, and holes. Here there are as many arenas as cores, since no more threads than
/// these run at once, and whole free pages are given back wherever they lie.
package struct HeapUpkeep: Service {
    private let interval: Duration

    /// How often free pages are given back.
    package static let interval: Duration = .seconds(60)

    package init(interval: Duration = Self.interval) { self.interval = interval }

    /// Has glibc make as many arenas as there are cores, two at least. To be called before the first thread: arenas that are there
    /// stay.
    /// - Returns: whether the C library knows of arenas.
    @discardableResult
    package static func limitArenas(cores: Int = ProcessInfo.processInfo.activeProcessorCount) -> Bool {
        cheap_limit_arenas(Int32(clamping: max(2, cores))) == 1
    }

    /// Gives whole free pages back to the system.
    /// - Returns: whether there were any.
    @discardableResult
    package static func giveBack() -> Bool { cheap_give_back() == 1 }

    package func run() async {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await Task.sleep(for: interval * Double.random(in: 0.8..<1.2)) } catch { return }
                Self.giveBack()
            }
        }
    }
}
