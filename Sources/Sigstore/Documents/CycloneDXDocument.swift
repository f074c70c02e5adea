extension DocumentObject {
    /// The versions of the JSON form; 1.0 and 1.1 exist as XML only.
    private static let cycloneDXVersions = ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"]

    /// CycloneDX JSON, 1.2 to 1.7. A VEX is a CycloneDX document with `vulnerabilities` and nothing of an inventory; it has
    /// the same predicate type. A bill of materials that has vulnerabilities embedded stays a bill of materials.
    func checkCycloneDX() throws(DocumentError) -> String {
        try word("bomFormat", of: ["CycloneDX"])
        let version = try word("specVersion", of: Self.cycloneDXVersions)
        if has("version") { try count("version") }
        if let serial = try optionalText("serialNumber"), !serial.hasPrefix("urn:uuid:") {
            throw invalid("\"\(printable(serial, limit: 60))\" is no urn:uuid", at: "serialNumber")
        }
        if let metadata = try optionalObject("metadata") {
            if metadata.has("timestamp") { try metadata.time("timestamp") }
            try metadata.optionalObject("component")?.checkComponent()
        }
        let components = try each("components") { component throws(DocumentError) in try component.checkComponent() }
        let services = try each("services") { service throws(DocumentError) in _ = try service.text("name") }
        try each("dependencies") { dependency throws(DocumentError) in _ = try dependency.text("ref") }
        let vulnerabilities = try each("vulnerabilities") { vulnerability throws(DocumentError) in
            try vulnerability.each("affects") { affected throws(DocumentError) in _ = try affected.text("ref") }
            if let state = try vulnerability.optionalObject("analysis"), state.has("state") {
                try state.word(
                    "state",
                    of: [
                        "resolved", "resolved_with_pedigree", "exploitable", "in_triage", "false_positive",
                        "not_affected",
                    ])
            }
        }
        guard vulnerabilities > 0 else { return "CycloneDX \(version)" }
        return "CycloneDX \(version)\(components + services == 0 ? " VEX" : " with vulnerabilities")"
    }

    private func checkComponent() throws(DocumentError) {
        _ = try text("type")
        _ = try text("name")
    }
}
