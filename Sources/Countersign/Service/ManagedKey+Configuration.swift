import FoundationEssentials
package import Sigstore

extension ManagedKey {
    /// The key that the configuration names.
    /// - Throws: ``SigstoreError``, code `identity.key`.
    package init(_ configuration: ManagedKeyConfiguration) throws(SigstoreError) {
        guard let bytes = FileManager.default.contents(atPath: configuration.file), bytes.count <= 1 << 16,
            let pem = String(validating: bytes, as: UTF8.self)
        else { throw .identity(.key("\(configuration.file) cannot be read as text")) }
        try self.init(pem: pem, password: configuration.password.map { Array($0.exposed.utf8) })
    }
}
