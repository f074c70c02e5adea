import FoundationEssentials
import Glibc

/// The process's environment, as far as token sources look at it; tests give their own.
///
/// Read at each use, by name: a source sees what it names and nothing else.
public struct EnvironmentReader: Sendable {
    private let read: @Sendable (String) -> String?

    /// An environment that `read` answers for.
    public init(_ read: @escaping @Sendable (String) -> String?) { self.read = read }

    /// The environment of this process.
    public static let process = EnvironmentReader { name in getenv(name).map { String(cString: $0) } }

    /// The value of a variable; nil if it is not set or empty.
    public subscript(name: String) -> String? {
        guard let value = read(name), !value.isEmpty else { return nil }
        return value
    }

    /// The value of a variable without which `source` cannot work.
    /// - Throws: ``IdentityFault/missing(source:detail:)``, saying also where it would come from.
    func required(_ name: String, for source: String, setBy origin: String) throws(SigstoreError) -> String {
        guard let value = self[name] else {
            throw .identity(.missing(source: source, detail: "\(name) is not set; \(origin) sets it"))
        }
        return value
    }
}
