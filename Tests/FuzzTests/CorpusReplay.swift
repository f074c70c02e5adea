import FoundationEssentials
import FuzzTargets
import Testing

/// What the fuzzers found interesting, and what once broke a parser, on every test run.
@Suite struct CorpusReplay {
    private static let corpora = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fuzz/Corpus")

    @Test(arguments: FuzzTarget.all.map(\.name))
    func `every kept input comes back from its parser`(_ name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let folder = Self.corpora.appending(path: name)
        let inputs = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(!inputs.isEmpty, "a target without a corpus starts blind")
        for input in inputs { target.run([UInt8](try Data(contentsOf: folder.appending(path: input)))) }
    }

    @Test func `every corpus belongs to a target, and every target has one`() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.corpora.path)
        #expect(folders.sorted() == FuzzTarget.all.map(\.name).sorted())
    }
}
