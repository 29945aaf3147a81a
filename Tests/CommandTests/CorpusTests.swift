// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// `oomwitness analyze` on what the kernels of the VMs printed for every scenario: Tests/KernelLogTests/Corpus.
///
/// The judge is Tests/VM/log_events.py, which shares nothing with ours: it reads the lines by its own means, works out
/// every field, and compares; what it expects of each log lies beside it.
@Suite struct CorpusTests {
  private static let folder = "Tests/KernelLogTests/Corpus"

  @Test(
    "each field of each event of the corpus is what the log says",
    .enabled(if: Python.mayRun, "\(Python.refusal ?? "")"))
  func corpus() {
    let logs = Repository.files(below: CorpusTests.folder, ending: [".kmsg"]).map { Repository.root + "/" + $0 }
    let judge = Repository.root + "/Tests/VM/log_events.py"
    let ended = Program("/usr/bin/python3", ["-B", judge, Program.oomwitness] + logs).wait()
    #expect(ended.output == "\(logs.count) logs, 0 with differences\n", "\(ended.errors)")
    #expect(ended.status == 0)
  }

  @Test("every scenario's log of every kernel of the VMs is in the corpus, with what is expected of it")
  func complete() {
    let kept = Set(Files.names(in: Repository.root + "/" + CorpusTests.folder))
    let scenarios = Files.names(in: Repository.root + "/Tests/VM/guest/scenarios").map { $0.dropLast(3) }
    #expect(scenarios.count > 20)
    for kernel in ["5.10", "6.1", "6.12", "7.x"] {
      for scenario in scenarios {
        #expect(kept.contains("\(kernel)-v2-\(scenario).kmsg") && kept.contains("\(kernel)-v2-\(scenario).ndjson"))
      }
    }
  }
}
