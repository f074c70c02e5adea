// A continuation that another thread resumes before its task comes to wait for it: no race. With -DLATE it is resumed
// afterwards. With -DRACE the other thread goes on to change what it handed over, which is one.
import Glibc

final class Value: @unchecked Sendable {
    var number: Int
    init(_ number: Int) { self.number = number }
}

func resumed() async -> Value {
    await withCheckedContinuation { continuation in
        startThread {
            #if LATE
                usleep(200_000)
            #endif
            let value = Value(7)
            continuation.resume(returning: value)
            #if RACE
                value.number = 8
            #endif
        }
        #if !LATE
            usleep(200_000)
        #endif
    }
}

final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

func startThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { @Sendable argument in
            Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Work(body)).toOpaque())
    pthread_detach(thread)
}

await Task.detached { print(await resumed().number) }.value
