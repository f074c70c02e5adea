// A buffer that one thread reads and another writes to in place once it holds the only reference: no race. With -DRACE the
// reader reads on after it gave its reference up, which is one.
import Glibc

final class Buffer: @unchecked Sendable {
    var bytes = 7
}

struct Reader: @unchecked Sendable {
    let buffer: Unmanaged<Buffer>

    func read() {
        total &+= buffer._withUnsafeGuaranteedRef { $0.bytes }
        buffer.release()
        #if RACE
            for _ in 0..<1000 {
                usleep(200)
                total &+= buffer._withUnsafeGuaranteedRef { $0.bytes }
            }
        #endif
    }
}
nonisolated(unsafe) var total = 0

func startThread(_ reader: Reader) {
    let box = UnsafeMutablePointer<Reader>.allocate(capacity: 1)
    box.initialize(to: reader)
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { @Sendable argument in
            argument!.assumingMemoryBound(to: Reader.self).pointee.read()
            return nil
        }, box)
    pthread_detach(thread)
}

var buffer = Buffer()
startThread(Reader(buffer: Unmanaged.passRetained(buffer)))
while !isKnownUniquelyReferenced(&buffer) { usleep(100) }
buffer.bytes = 8
usleep(10_000)
print(buffer.bytes)
