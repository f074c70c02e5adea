#if DEBUG || FUZZING
    /// One parser of bytes from outside, as the fuzzer drives it.
    ///
    /// `run` must come back for every input: an error that the parser throws is its good right, a crash never is. Where what was
    /// read can be written again, `run` also checks that it reads back as the same value: a parser and a writer that disagree
    /// would let us sign, hash or store something else than we looked at.
    package struct FuzzTarget: Sendable {
        /// Its name: the folder of its corpus under `Fuzz/Corpus`, and what `scripts/fuzz` takes.
        package let name: String
        /// Reads the bytes; traps on a broken promise.
        package let run: @Sendable ([UInt8]) -> Void

        /// Every target there is.
        package static let all =
            formats + http + registry + crypto + bundles + documents + legacy + logs + trust + repository + identity
            + deliveries + api

        /// The target of that name.
        package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
    }

    /// Stops the run: how libFuzzer learns that a promise was broken, and what a replay in the tests shows.
    func promise(_ holds: Bool, _ what: @autoclosure () -> String) {
        guard holds else { fatalError("broken promise: \(what())") }
    }
#endif
