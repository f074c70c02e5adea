// Threads that meet in one Mutex: no race. With -DRACE they also count beside it: a race, which must be found.
import Glibc
import Synchronization

final class Shared: Sendable {
    let guarded = Mutex<[Int]>([])
    nonisolated(unsafe) var beside = 0

    func count() {
        for number in 0..<20_000 {
            guarded.withLock { $0.append(number) }
            #if RACE
                beside += 1
            #endif
        }
    }
}

let shared = Shared()
let threads = (0..<4).map { _ in
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { @Sendable argument in
            Unmanaged<Shared>.fromOpaque(argument!).takeUnretainedValue().count()
            return nil
        }, Unmanaged.passUnretained(shared).toOpaque())
    return thread
}
for thread in threads { pthread_join(thread, nil) }
print(shared.guarded.withLock { $0.count })
