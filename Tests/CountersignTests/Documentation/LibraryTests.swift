import FoundationEssentials
import Support
import Testing

/// Whoever takes our modules as libraries finds in README.md what works, and may name in his package all that he meets.
struct LibraryTests {
    private static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(packageRoot)/\(path)", encoding: .utf8)
    }

    private static func swiftFiles(in folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: "\(packageRoot)/\(folder)")
            .filter { $0.hasSuffix(".swift") }.map { "\(folder)/\($0)" }
    }

    @Test func `README shows the examples as they are built and run`() throws {
        let section = try Self.text("README.md").split(separator: "\n", omittingEmptySubsequences: false)
            .drop { $0 != "## As a library" }.dropFirst().prefix { !$0.hasPrefix("## ") }
        var shown: [String] = []
        var isCode = false
        for line in section {
            if line == "```swift" {
                shown.append("")
                isCode = true
            } else if line == "```" {
                isCode = false
            } else if isCode {
                shown[shown.count - 1] += line + "\n"
            }
        }
        let examples = try Self.swiftFiles(in: "Examples/Sources").map(Self.text)
        #expect(examples.count > 1)
        #expect(shown.sorted() == examples.sorted())
    }

    @Test func `modules whose types stand in a product's interface are products`() throws {
        let manifest = try Self.text("Package.swift")
        let products = Set(
            manifest.split(separator: ".library(name: \"").dropFirst().map { String($0.prefix { $0 != "\"" }) })
        let modules = Set(try FileManager.default.contentsOfDirectory(atPath: "\(packageRoot)/Sources"))
        #expect(products.isSuperset(of: ["OCI", "Sigstore", "TUF"]))
        for product in products {
            for file in try Self.swiftFiles(in: "Sources/\(product)") {
                let imported = try Self.text(file).split(separator: "\n").filter { $0.hasPrefix("public import ") }
                    .map { String($0.dropFirst("public import ".count)) }
                #expect(products.isSuperset(of: modules.intersection(imported)), "\(file)")
            }
        }
    }
}
