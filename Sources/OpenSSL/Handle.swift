internal import COpenSSL

/// The one owner of a C object that lives for the length of a call; released exactly once, on every way out.
/// Objects that outlive a call are owned by the final class named after them (`PublicKey`, `Certificate`, …).
struct Handle: ~Copyable {
    let raw: OpaquePointer
    private let release: (OpaquePointer) -> Void

    /// Takes ownership of `raw`; OpenSSL's constructors return null when they fail.
    init(_ raw: OpaquePointer?, _ operation: String, release: @escaping (OpaquePointer) -> Void) throws(CryptoError) {
        guard let raw else { throw .failure(of: operation) }
        self.raw = raw
        self.release = release
    }

    deinit { release(raw) }
}

/// Runs an `i2d_…` function twice, as its contract wants: once for the length, once to write.
func encodeDER(
    _ what: String, _ i2d: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
) throws(CryptoError) -> [UInt8] {
    let length = Int(i2d(nil))
    guard length > 0 else { throw .failure(of: "encoding \(what)") }
    var written: Int32 = -1
    let bytes = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
        var cursor = buffer.baseAddress
        written = i2d(&cursor)
        count = Int(written) == length ? length : 0
    }
    guard bytes.count == length else { throw .failure(of: "encoding \(what)") }
    return bytes
}
