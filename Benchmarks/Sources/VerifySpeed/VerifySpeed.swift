import FoundationEssentials
import Sigstore

/// How fast bundles are verified, in process, the trusted root parsed once.
///
///     VerifySpeed make LAB DIRECTORY COUNT    signs COUNT statements against a running lab, 20 under each certificate
///     VerifySpeed measure DIRECTORY           verifies them all, with and without their timestamps, on one core
@main enum VerifySpeed {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch (arguments.first, arguments.count) {
        case ("make", 4): try await Material.make(lab: arguments[1], in: arguments[2], count: Int(arguments[3]) ?? 1000)
        case ("measure", 2): try Measurement(directory: arguments[1]).run()
        default: throw Misuse()
        }
    }

    struct Misuse: Error {}

    static func read(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else { throw Unreadable(path: path) }
        return [UInt8](data)
    }

    struct Unreadable: Error { let path: String }
}
