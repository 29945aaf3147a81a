// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// What deploy/ holds, judged by others than ourselves: Kubernetes' own schemas, and docker-compose.
@Suite struct ManifestTests {
  private static let manifests = Repository.files(below: "deploy/kubernetes", ending: [".yaml"])

  /// PyPI's kubernetes-validate has the OpenAPI schemas of each version since 1.25; strict: a field that none has is refused.
  private static let judge = """
    import sys
    sys.path.insert(0, sys.argv[1])
    import yaml, kubernetes_validate
    for document in yaml.safe_load_all(open(sys.argv[2])):
        versions = kubernetes_validate.utils.all_versions()
        for version in map(kubernetes_validate.utils.major_minor, versions):
            try: kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                print(document["kind"], version, "/".join(map(str, error.path)), error.message)
        print("judged", document["kind"], len(versions) > 5)
    """
  private static let wheels = Repository.root + "/.build/python"

  private static let refusal: String? = {
    let tried = Python.run("import sys; sys.path.insert(0, sys.argv[1]); import kubernetes_validate", [wheels])
    return tried.status == 0 ? nil : "needs kubernetes-validate in .build/python: \(tried.output)"
  }()

  private static func judged(_ path: String) -> [String] {
    Python.run(judge, [wheels, path]).output.split(separator: "\n").map(String.init)
  }

  @Test(
    "each manifest is what Kubernetes takes, in every version since 1.25",
    .enabled(if: Requirement.mustRun || refusal == nil, Comment(rawValue: refusal ?? "")))
  func kubernetes() {
    let kinds = [
      "daemonset.yaml": ["Namespace", "DaemonSet"], "oom-example.yaml": ["Deployment"],
      "pod-events-rbac.yaml": ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"],
    ]
    #expect(ManifestTests.manifests.map { String($0.split(separator: "/").last!) } == kinds.keys.sorted())
    for path in ManifestTests.manifests {
      let name = String(path.split(separator: "/").last!)
      #expect(ManifestTests.judged(Repository.root + "/" + path) == kinds[name]?.map { "judged \($0) True" }, "\(name)")
    }
  }

  @Test(
    "a manifest with a field that Kubernetes does not have is refused",
    .enabled(if: Requirement.mustRun || refusal == nil, Comment(rawValue: refusal ?? "")))
  func junk() throws {
    let text = try #require(Files.text(Repository.root + "/deploy/kubernetes/daemonset.yaml"))
    for (right, wrong) in [("hostPID:", "hostPid:"), ("mountPath: /run/containerd", "mountPath: [1]")] {
      let path = Python.temporaryFile(text.replacing(right, with: wrong))
      let said = ManifestTests.judged(path)
      #expect(said.contains { $0.hasPrefix("DaemonSet 1.25") }, "\(wrong): \(said)")
    }
  }

  @Test("what the programs may do is the same in the DaemonSet, in the compose file and in each run line")
  func rights() throws {
    let manifest = try #require(Files.text(Repository.root + "/deploy/kubernetes/daemonset.yaml"))
    let rights = manifest.matches(of: #/\n +- ([A-Z_]{3,})(?=\n)/#).map { String($0.output.1) }
    #expect(rights == ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH", "IPC_LOCK", "SYSLOG"])
    let compose = try #require(Files.text(Repository.root + "/deploy/compose.yaml"))
    #expect(compose.contains("cap_add: [\(rights.joined(separator: ", "))]"))
    let guide = try #require(Files.text(Repository.root + "/deploy/README.md"))
    #expect(
      DockerImageTests.runLine(in: guide)?.filter { $0.hasPrefix("--cap-add=") }
        == rights.map { "--cap-add=" + $0 })
  }

  @Test(
    "docker-compose takes the compose file",
    .enabled(if: Requirement.mustRun || Program.run("/usr/bin/docker-compose", ["version"]).status == 0))
  func compose() {
    let file = Repository.root + "/deploy/compose.yaml"
    // Where its image is built from, as its head says.
    _ = Program.run("/bin/mkdir", ["-p", Repository.root + "/.build/image"])
    let judged = Program.run("/usr/bin/docker-compose", ["--file", file, "config", "--quiet"])
    #expect(judged.status == 0 && judged.errors == "", "\(judged.errors)")
  }
}
