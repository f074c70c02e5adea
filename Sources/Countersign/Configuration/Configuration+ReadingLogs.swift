import Sigstore

extension ConfigurationReading {
    /// `sigstore.rekor` (one v1 log) and `sigstore.logs` (any number): named here, or left to the signing configuration.
    func logs(_ section: ConfigurationSection, _ trust: TrustConfiguration, into sigstore: inout SigstoreConfiguration)
    {
        sigstore.logs = section.sections("logs", log)
        sigstore.witnesses = section.sections("witnesses") { section in
            let (keys, quorum) = cosigners(section)
            return .init(logs: section.globs("logs"), keys: keys, quorum: quorum)
        }
        guard sigstore.logs.isEmpty || section.has("rekor") else { return }
        sigstore.rekor = service("rekor", in: section, trust, "the transparency log")
    }

    private func log(_ section: ConfigurationSection) -> InstanceServices.Log {
        var log = InstanceServices.Log(
            name: section.required("name", "what rules call it by"), api: api(section), upstream: upstream(section),
            tilesURL: section.string("tiles_url"))
        section.section("witnesses") { section in
            (log.witnesses, log.witnessQuorum) = cosigners(section)
        }
        return log
    }

    private func api(_ section: ConfigurationSection) -> RekorAPI {
        var version = RekorAPI.v1.version
        section.read("version", into: &version)
        do throws(SigstoreError) { return try RekorAPI(version: version) } catch {
            section.complain("version", "is the API that it speaks: \(RekorAPI.versions)")
            return .v1
        }
    }

    /// Witnesses, and how many of them it takes: all, where nothing else is said.
    private func cosigners(_ section: ConfigurationSection) -> (keys: [Witness], quorum: Int) {
        var keys: [Witness] = []
        for key in section.strings("keys") {
            do throws(SigstoreError) {
                keys.append(try Witness(verifierKey: key))
            } catch {
                section.complain("keys", error.observed)
            }
        }
        var quorum = keys.count
        section.read("quorum", into: &quorum)
        return (keys, quorum)
    }
}
