#if DEBUG || FUZZING
    import StrictJSON

    extension FuzzTarget {
        /// JSON itself: everything that is decided upon goes through this reader.
        static let formats = [
            FuzzTarget(name: "json") { bytes in
                guard let value = try? JSONValue(parsing: bytes) else { return }
                let written = value.encoded()
                promise((try? JSONValue(parsing: written)) == value, "JSON reads back as it was written")
                promise(
                    (try? JSONValue(parsing: value.canonical()))?.canonical() == value.canonical(),
                    "canonical JSON is stable")
            }
        ]
    }
#endif
