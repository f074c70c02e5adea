// An array that one thread was given and read, and another writes to in place once it has the only reference: no race. With
// -DRACE the reader reads on after it gave its reference up, which is one.
import Glibc

nonisolated(unsafe) var total = 0

/// Where the elements are; the reference is given up.
@inline(never) func read(_ array: consuming [Int]) -> UnsafePointer<Int> {
    total &+= array[0]
    return array.withUnsafeBufferPointer { $0.baseAddress! }
}

func startThread(_ array: [Int]) {
    let box = UnsafeMutablePointer<[Int]>.allocate(capacity: 1)
    box.initialize(to: array)
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { @Sendable argument in
            let elements = read(argument!.assumingMemoryBound(to: [Int].self).move())
            #if RACE
                for _ in 0..<1000 {
                    usleep(200)
                    total &+= elements.pointee
                }
            #endif
            return nil
        }, box)
    pthread_detach(thread)
}

var array = [Int](repeating: 7, count: Int(CommandLine.argc) + 3)
startThread(array)
usleep(100_000)
array[0] = 8
usleep(10_000)
print(array[0])
