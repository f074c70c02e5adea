extension AttestationConfiguration {
    /// The keys under `attestations`.
    init(reading section: ConfigurationSection) {
        self.init()
        section.readSize("max_document", into: &maxDocumentBytes)
        section.read("upload_timeout", into: &uploadTimeout)
        section.read("max_uploads", into: &maxUploads)
        section.read("wait", into: &wait)
        section.readSize("inline_limit", into: &inlineLimit)
        section.readSize("memory", into: &memory)
    }
}

extension AttestationConfiguration {
    func problems() -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        func demand(_ holds: Bool, _ key: String, _ message: String) {
            if !holds { problems.append(.init("attestations.\(key)", message)) }
        }
        demand((1...(64 << 20)).contains(maxDocumentBytes), "max_document", "must be between 1 byte and 64MiB")
        demand(uploadTimeout > .zero, "upload_timeout", "must be positive")
        demand((1...100).contains(maxUploads), "max_uploads", "must be between 1 and 100")
        demand(wait > .zero, "wait", "must be positive")
        demand(
            (1...(2 << 20)).contains(inlineLimit), "inline_limit", "must be between 1 byte and 2MiB: logs refuse more")
        demand(memory >= maxDocumentBytes, "memory", "must hold at least one document of the largest size")
        return problems
    }
}
