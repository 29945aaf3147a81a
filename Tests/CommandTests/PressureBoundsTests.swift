// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestSupport
import Testing

/// More events than handlers can take: what waits has a bound, the newest are kept, and all that is given up is counted.
@Suite(.enabled(if: Requirement.allowsRealKills, Comment(rawValue: Requirement.realKills ?? "")))
struct PressureBoundsTests {
  /// Forty groups that fill at once: forty changes of level in a few looks.
  final class CrowdedGroups {
    static let count = 40
    private static let holder = """
      import mmap, os, sys, time
      held = []
      for folder in sys.argv[1:]:
          with open(folder + "/cgroup.procs", "w") as file: file.write(str(os.getpid()))
          piece = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
          for place in range(0, 8 << 20, 4096): piece[place] = 1
          held.append(piece)
      time.sleep(600)
      """
    private let groups: [ScratchCgroup]
    private var program: Program?

    init(_ name: String) {
      groups = (0..<CrowdedGroups.count).map {
        ScratchCgroup("oomwitness-\(name)-\(getpid())-\($0)", limitBytes: 16 << 20)
      }
    }

    /// The memory stays with the group in which it was taken.
    func fill() { program = Program("/usr/bin/python3", ["-I", "-c", CrowdedGroups.holder] + groups.map(\.folder)) }

    /// Each of them is low as soon as it is full, once; what else it says goes into the same output.
    func watch(_ options: [String]) -> Program {
      Program(
        "/bin/sh",
        [
          "-c", "exec \"$0\" \"$@\" 2>&1", Program.oomwitness, "pressure", "watch", "--no-system", "--memory",
          "25,100,100",
        ]
          + ["--swap", "100,100,100", "--output", "ndjson"] + PressureTests.still
          + groups.flatMap { ["--cgroup", $0.path] } + options)
    }

    deinit {
      program?.signal(SIGKILL)
      _ = program?.wait()
    }
  }

  /// The lines of one type.
  private static func lines(_ output: String, _ type: String) -> [String] {
    output.split(separator: "\n").filter { $0.contains("\"type\":\"\(type)\"") }.map(String.init)
  }

  /// The same without their number: what handlers are given is numbered by itself.
  private static func unnumbered(_ lines: some Sequence<String>) -> [String] {
    lines.map { $0.replacing(/"seq":[0-9]+,/, with: "", maxReplacements: 1) }
  }

  /// What a file holds, or the bodies of requests, in their order.
  private static func seq(_ lines: [String]) -> [Int] {
    Line.all(in: lines.joined(separator: "\n")).compactMap { $0.number("seq") }
  }

  private static func fileLines(_ path: String) -> [String] {
    (Files.text(path) ?? "").split(separator: "\n").map(String.init)
  }

  private static func isTrueSoon(_ condition: () -> Bool) -> Bool {
    for _ in 0..<6000 {
      if condition() { return true }
      usleep(10_000)
    }
    return false
  }

  /// How many were given up, by the handler of that name.
  private static func lost(_ output: String, _ name: String) -> Int {
    Line.all(in: lines(output, "loss").joined(separator: "\n")).reduce(0) { sum, loss in
      #expect(loss.text("detail")?.hasPrefix(name + ": ") == true, "\(loss.object)")
      return sum + (loss.number("records") ?? 0)
    }
  }

  @Test("32 events wait for a program that hangs; the oldest are given up and told, the others come in their order")
  func queue() {
    let groups = CrowdedGroups("queue")
    let (gate, copy) = (PressureHandlerTests.path("gate"), PressureHandlerTests.path("copy"))
    defer { for path in [gate, copy] { unlink(path) } }
    let script = "while ! [ -e '\(gate)' ]; do sleep 0.1; done; cat >> '\(copy)'"
    let watch = groups.watch(["--run", "[\"/bin/sh\", \"-c\", \"\(script)\"]", "--run-seconds", "300"])
    groups.fill()
    #expect(
      PressureBoundsTests.isTrueSoon {
        PressureBoundsTests.lines(watch.outputSoFar, "pressure").count == CrowdedGroups.count
      })
    #expect(watch.waitForOutput(containing: "handler_failed"))
    let told = PressureBoundsTests.lines(watch.outputSoFar, "pressure")
    Files.write("", to: gate)
    #expect(PressureBoundsTests.isTrueSoon { PressureBoundsTests.fileLines(copy).count == 33 })
    let kept = PressureBoundsTests.fileLines(copy)
    #expect(PressureBoundsTests.unnumbered(kept) == PressureBoundsTests.unnumbered([told[0]] + told.suffix(32)))
    #expect(PressureBoundsTests.seq(kept) == [1] + Array(9...CrowdedGroups.count))
    watch.signal(SIGTERM)
    let ended = watch.wait()
    #expect(ended.status == 0)
    #expect(PressureBoundsTests.lost(ended.output, "--run /bin/sh") == CrowdedGroups.count - kept.count)
    let reason = "32 events were waiting already, and the oldest was given up"
    #expect(PressureBoundsTests.lines(ended.output, "loss").allSatisfy { $0.contains(reason) })
  }

  @Test("no more requests a minute than --webhook-per-minute; what did not get its turn is told", arguments: [5, 600])
  func rate(perMinute: Int) throws {
    let groups = CrowdedGroups("rate\(perMinute)")
    let server = try PressureHandlerTests.Server()
    let watch = groups.watch(["--webhook", server.url("/ok"), "--webhook-per-minute", "\(perMinute)"])
    groups.fill()
    // With 600 at least those get through that wait and the one before them.
    let least = min(perMinute, 33)
    #expect(
      PressureBoundsTests.isTrueSoon {
        PressureBoundsTests.lines(watch.outputSoFar, "pressure").count == CrowdedGroups.count
          && server.requests.count >= least
      })
    // One more would come now.
    usleep(1_000_000)
    watch.signal(SIGTERM)
    let ended = watch.wait()
    #expect(ended.status == 0)
    let bodies = server.requests.map { $0.text("body") ?? "" }
    #expect(perMinute > 5 || bodies.count == perMinute)
    // Each is a line of the stream, in the stream's order, none twice.
    let told = PressureBoundsTests.unnumbered(PressureBoundsTests.lines(ended.output, "pressure"))
    let places = PressureBoundsTests.unnumbered(bodies).compactMap { told.firstIndex(of: $0) }
    #expect(places.count == bodies.count && places == places.sorted() && Set(places).count == places.count)
    #expect(PressureBoundsTests.seq(bodies) == places.map { $0 + 1 })
    let lost = PressureBoundsTests.lost(ended.output, "--webhook http://127.0.0.1:\(server.port)")
    #expect(bodies.count + lost == CrowdedGroups.count)
  }

  /// A disk of our own that can be made to hang.
  final class Disk {
    let folder = PressureHandlerTests.path("disk")
    private var isMounted = false
    private var image: String { folder + ".image" }

    init() {
      mkdir(folder, 0o700)
      isMounted =
        Program.run(
          "/bin/sh",
          ["-c", "truncate -s 16M \"$0\" && mkfs.ext4 -q \"$0\" && mount -o loop \"$0\" \"$1\"", image, folder]
        ).status == 0
    }

    static let obstacle: String? = Disk().isMounted ? nil : "no file system of our own can be mounted here"

    func freeze() { #expect(Program.run("/usr/sbin/fsfreeze", ["-f", folder]).status == 0) }

    func thaw() { _ = Program.run("/usr/sbin/fsfreeze", ["-u", folder]) }

    deinit {
      if isMounted {
        thaw()
        _ = Program.run("/bin/umount", [folder])
      }
      rmdir(folder)
      unlink(image)
    }
  }

  @Test(
    "a disk that hangs from the start holds up nothing, and is told of; when it answers, what waits is written",
    .enabled(if: Disk.obstacle == nil || Requirement.mustRun, Comment(rawValue: Disk.obstacle ?? "")))
  func hangingDisk() {
    let (groups, disk) = (CrowdedGroups("hangs"), Disk())
    let file = disk.folder + "/log"
    disk.freeze()
    let watch = groups.watch(["--log-to", file])
    groups.fill()
    #expect(watch.waitForOutput(containing: ": the disk has not answered for 10 s; ", seconds: 60))
    #expect(
      PressureBoundsTests.isTrueSoon {
        PressureBoundsTests.lines(watch.outputSoFar, "pressure").count == CrowdedGroups.count
      })
    let told = PressureBoundsTests.lines(watch.outputSoFar, "pressure")
    disk.thaw()
    #expect(PressureBoundsTests.isTrueSoon { PressureBoundsTests.fileLines(file).count == 32 })
    let kept = PressureBoundsTests.fileLines(file)
    #expect(PressureBoundsTests.unnumbered(kept) == PressureBoundsTests.unnumbered(told.suffix(32)))
    watch.signal(SIGTERM)
    let ended = watch.wait()
    #expect(ended.status == 0)
    #expect(PressureBoundsTests.lost(ended.output, "--log-to \(file)") == CrowdedGroups.count - 32)
  }

  @Test(
    "a watch that ends while the disk hangs tells all that was not written",
    .enabled(if: Disk.obstacle == nil || Requirement.mustRun, Comment(rawValue: Disk.obstacle ?? "")))
  func hangingEnd() {
    let (groups, disk) = (CrowdedGroups("ends"), Disk())
    let file = disk.folder + "/log"
    let watch = groups.watch(["--log-to", file])
    #expect(PressureBoundsTests.isTrueSoon { Files.text(file) == "" })
    disk.freeze()
    groups.fill()
    #expect(
      PressureBoundsTests.isTrueSoon {
        PressureBoundsTests.lines(watch.outputSoFar, "pressure").count == CrowdedGroups.count
      })
    watch.signal(SIGTERM)
    #expect(watch.waitForOutput(containing: "the disk had not taken it when the watch ended"))
    disk.thaw()
    let ended = watch.wait()
    #expect(ended.status == 0)
    #expect(PressureBoundsTests.lost(ended.output, "--log-to \(file)") == CrowdedGroups.count)
  }
}
