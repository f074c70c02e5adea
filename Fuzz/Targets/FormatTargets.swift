#if DEBUG || FUZZING
    import StrictJSON

    extension FuzzTarget {
        /// JSON itself: everything that is decided upon goes through this reader.
        static let formats = [
            FuzzTarget(name: "json") { bytes in
                let outline = try? JSONOutline(scanning: bytes)
                guard let value = try? JSONValue(parsing: bytes) else {
                    return promise(outline == nil, "the outline refuses what the tree refuses")
                }
                var names: [String] = []
                if case .object(let object) = value { names = object.members.map(\.name) }
                promise(outline?.members.map(\.name) == names, "the outline has the members of the tree")
                let written = value.encoded()
                promise((try? JSONValue(parsing: written)) == value, "JSON reads back as it was written")
                promise(
                    (try? JSONValue(parsing: value.canonical()))?.canonical() == value.canonical(),
                    "canonical JSON is stable")
            }
        ]
    }
#endif
