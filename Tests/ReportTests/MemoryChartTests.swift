// SPDX-License-Identifier: Apache-2.0
import Events
import Report
import Testing

/// The picture of the memory before a kill.
@Suite struct MemoryChartTests {
  static func memory() -> MemoryBefore {
    var memory = MemoryBefore(totalPages: 262_144)
    memory.millisecondsBefore = [60_000, 45_000, 30_000, 15_000, 0]
    memory.availablePages = [200_000, 150_000, 100_000, 50_000]
    memory.someHundredths = [0, 0, 2500, 9900]
    memory.fullHundredths = [0, 0, 0, 5000]
    var victim = MemoryBefore.Series(pid: 42, comm: KernelName("hog\u{1b}[31m"), isVictim: true)
    (victim.moments, victim.residentPages, victim.swapPages) = (
      [1, 2, 3, 4], [25_600, 51_200, 76_800, 102_400], [0, 0, 0, 0]
    )
    var other = MemoryBefore.Series(pid: 7, comm: KernelName("db"), isVictim: false)
    (other.moments, other.residentPages, other.swapPages) = ([0, 4], [1000, 2000], [0, 24])
    memory.processes = [victim, other]
    return memory
  }

  @Test("it shows how the victim grew, and the others and the host beside it")
  func picture() {
    let text = MemoryChart(pageSizeBytes: 4096, style: Style(coloured: false)).text(MemoryChartTests.memory())
    #expect(
      text == """
          the last 60 s before the kill
          hog\\x1b[31m pid 42 (victim)  100.0 MiB -> 400.0 MiB
                           400.0 MiB │                                                           █│
                                     │                                                           █│
                                     │                                            ████████████████│
                                     │                                            ████████████████│
                                     │                             ███████████████████████████████│
                                     │                             ███████████████████████████████│
                                     │              ██████████████████████████████████████████████│
                                   0 │              ██████████████████████████████████████████████│
                                      60 s before                                             kill
          db pid 7                    ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄█  3.9 MiB -> 7.9 MiB
          memory available            ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂  781.3 MiB -> 195.3 MiB
          stalled, some (PSI)         ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂████████████████  0 % -> 99 %
          stalled, all (PSI)          ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄  0 % -> 50 %

        """)
    #expect(!text.contains("\u{1b}"))
  }

  @Test("colours stay within it, and only where they are wanted")
  func colours() {
    let text = MemoryChart(pageSizeBytes: 4096, style: Style(coloured: true)).text(MemoryChartTests.memory())
    #expect(text.contains("\u{1b}[1;31m"))
    #expect(text.hasSuffix("%\n"))
  }

  @Test("of one moment there is nothing to draw")
  func nothing() {
    var memory = MemoryChartTests.memory()
    memory.millisecondsBefore = [0]
    #expect(MemoryChart(pageSizeBytes: 4096, style: Style(coloured: false)).text(memory) == "")
  }

  @Test("numbers of any size are drawn")
  func extremes() {
    var memory = MemoryChartTests.memory()
    memory.availablePages = [-(1 << 46), 1 << 46, 0, -1]
    memory.millisecondsBefore[0] = 1 << 46
    memory.processes[0].residentPages = [0, 0, 0, 0]
    let text = MemoryChart(pageSizeBytes: 4096, style: Style(coloured: false)).text(memory)
    #expect(text.split(separator: "\n").count > 10)
  }
}
