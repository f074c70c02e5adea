extension ConfigurationReading {
    /// How a rule's signatures are made: `formats`, `identity`, `log`.
    func signing(_ section: ConfigurationSection, into rule: inout PolicyConfiguration.Rule) {
        let names = section.strings("formats")
        if section.has("formats") {
            let known = SignatureFormat.allCases.map(\.rawValue).joined(separator: ", ")
            for name in names where SignatureFormat(rawValue: name) == nil {
                section.complain("formats", "'\(name.prefix(80))' is not one of \(known)")
            }
            rule.formats = SignatureFormat.allCases.filter { names.contains($0.rawValue) }
        }
        section.read("identity", into: &rule.identity, "text") { $0 }
        rule.log = section.string("log")
    }
}
