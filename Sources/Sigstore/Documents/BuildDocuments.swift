extension DocumentObject {
    /// SLSA provenance v0.2.
    func checkProvenance02() throws(DocumentError) -> String {
        try object("builder").uri("id")
        try uri("buildType")
        try each("materials") { material throws(DocumentError) in
            if material.has("uri") { _ = try material.text("uri") }
            if material.has("digest") { _ = try material.object("digest") }
        }
        if let metadata = try optionalObject("metadata") {
            for name in ["buildStartedOn", "buildFinishedOn"] where metadata.has(name) { try metadata.time(name) }
        }
        return "SLSA provenance v0.2"
    }

    /// SLSA provenance v1: the fields the specification marks as required.
    func checkProvenance1() throws(DocumentError) -> String {
        let definition = try object("buildDefinition")
        try definition.uri("buildType")
        _ = try definition.object("externalParameters")
        try definition.each("resolvedDependencies") { _ throws(DocumentError) in }
        let details = try object("runDetails")
        try details.object("builder").uri("id")
        if let metadata = try details.optionalObject("metadata") {
            for name in ["startedOn", "finishedOn"] where metadata.has(name) { try metadata.time(name) }
        }
        return "SLSA provenance v1"
    }

    /// cosign's `COSIGN_VULN_ATTESTATION_SPEC`: who scanned, with what, when, and what came out.
    func checkVulnerabilityScan() throws(DocumentError) -> String {
        let scanner = try object("scanner")
        _ = try scanner.text("uri")
        guard scanner.has("result") else { throw scanner.invalid("is missing", at: "result") }
        let metadata = try object("metadata")
        try metadata.time("scanStartedOn")
        try metadata.time("scanFinishedOn")
        if has("invocation") { _ = try object("invocation") }
        return "vulnerability scan"
    }

    /// in-toto `test-result/v0.1`.
    func checkTestResult() throws(DocumentError) -> String {
        try word("result", of: ["PASSED", "WARNED", "FAILED"])
        try each("configuration", atLeast: 1) { configuration throws(DocumentError) in
            guard ["name", "uri", "digest", "content", "downloadLocation"].contains(where: configuration.has) else {
                throw configuration.invalid("says nothing of what it describes")
            }
        }
        for name in ["passedTests", "warnedTests", "failedTests"] { try texts(name) }
        return "test result"
    }

    /// in-toto link v1, as cosign takes it.
    func checkLink() throws(DocumentError) -> String {
        try word("_type", of: ["link"])
        _ = try text("name")
        for name in ["materials", "products"] { _ = try object(name) }
        try texts("command")
        return "in-toto link"
    }
}
