#if DEBUG || FUZZING
    import FoundationEssentials
    import Sigstore

    extension FuzzTarget {
        /// Documents that somebody wants signed.
        static let documents = [
            // the first byte chooses the format, the rest is the document
            FuzzTarget(name: "document") { bytes in
                guard let first = bytes.first else { return }
                let formats = DocumentFormat.allCases
                let format = formats[Int(first) % formats.count]
                let document = Array(bytes.dropFirst())
                guard (try? format.check(document)) != nil else { return }
                let subject = Statement.Subject(digest: ["sha256": String(repeating: "0", count: 64)])
                let rendering = PredicateRendering(format, at: Date(timeIntervalSince1970: 0))
                var statement = Statement.head(subjects: [subject], predicateType: "https://example.com/v1")
                statement += rendering.head
                // cut in two, also within a character, as a stream is
                rendering.append(Array(document.prefix(document.count / 2)), to: &statement)
                rendering.append(Array(document.dropFirst(document.count / 2)), to: &statement)
                statement += rendering.tail + Statement.tail
                guard let read = try? Statement(json: statement) else {
                    return promise(false, "a document that passed makes a statement that verifiers can read")
                }
                promise(read.subjects == [subject], "no document speaks of another subject")
                promise(read.predicateType == "https://example.com/v1", "nor of another type")
            }
        ]
    }
#endif
