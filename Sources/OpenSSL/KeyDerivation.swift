internal import COpenSSL

/// Keys from passwords.
public enum KeyDerivation {
    /// The memory that scrypt may ask for: what N 65536 with r 8 needs, four times.
    public static let scryptMemoryLimit = 256 << 20

    /// `count` bytes from a password by scrypt (RFC 7914). Blocks for as long as it is meant to: a fifth of a second with
    /// the costs that cosign chooses.
    ///
    /// - Throws: `.unsupported` for costs that RFC 7914 §2 does not allow, or that would take more than 256 MiB or eight
    ///   times the work of N 65536, r 8, p 1: whoever wrote the file must not decide how long we are busy.
    public static func scrypt(
        password: [UInt8], salt: [UInt8], n: Int, r: Int, p: Int, count: Int
    ) throws(CryptoError) -> [UInt8] {
        guard n > 1, n & (n - 1) == 0, n <= 1 << 22, (1...1 << 10).contains(r), (1...16).contains(p),
            128 * n * r <= scryptMemoryLimit, n * r * p <= 1 << 22, (1...1024).contains(count)
        else { throw .unsupported("scrypt with N \(n), r \(r), p \(p)") }
        var key = [UInt8](repeating: 0, count: count)
        let status = password.withUnsafeBytes { password in
            EVP_PBE_scrypt(
                password.bindMemory(to: CChar.self).baseAddress, password.count, salt, salt.count, UInt64(n),
                UInt64(r), UInt64(p), UInt64(scryptMemoryLimit + (1 << 20)), &key, count)
        }
        guard status == 1 else { throw .failure(of: "scrypt") }
        return key
    }
}

/// Overwrites a secret that is not needed any more; unlike an assignment this is not optimised away. Copies that were
/// made of the array keep their content.
public func cleanse(_ secret: inout [UInt8]) {
    secret.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
}
