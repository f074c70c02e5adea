import FoundationEssentials
import Support

enum Fixture {
    static func cosign(_ name: String) throws -> [UInt8] {
        let path = packageRoot + "/Tests/OCITests/Fixtures/cosign-3.1.1/" + name
        guard let content = FileManager.default.contents(atPath: path) else { throw SupportError("no fixture \(name)") }
        return [UInt8](content)
    }

    /// The recorded layouts beside the project, when they are there.
    static let recorded = sharedMaterial("vectors")
}
