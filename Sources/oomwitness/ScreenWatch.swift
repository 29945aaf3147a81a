// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Sinks

/// Shows something again and again: a screen on a terminal, where the output is piped one JSON line a look.
struct ScreenWatch {
  let seconds: Double
  /// Nil: until it is stopped.
  let duration: Double?
  /// The screen's lines for so many columns, coloured or not.
  let lines: (Int) throws -> [String]
  /// One JSON text and its newline.
  let line: () throws -> [UInt8]

  private enum Woken { case stop, resized, time }

  func run() throws {
    let signals = StopSignals(and: [SIGWINCH])
    let end = duration.map { ScreenWatch.now + $0 }
    guard let terminal = Terminal() else { return try runPiped(signals, end) }
    while true {
      let shown = try lines(terminal.size.columns)
      let next = ScreenWatch.now + seconds
      var woken = Woken.resized
      while woken == .resized {
        let size = terminal.size
        let fitting = shown.prefix(max(0, size.rows - 1)).map { ScreenWatch.fit($0, size.columns) }
        terminal.show(fitting + [ScreenWatch.fit("q quit", size.columns)])
        woken = wait(signals, min(next, end ?? .infinity) - ScreenWatch.now, terminal)
      }
      if woken == .stop { return }
      if let end, ScreenWatch.now >= end { return }
    }
  }

  private func runPiped(_ signals: borrowing StopSignals, _ end: Double?) throws {
    let sink = DescriptorSink()
    while !sink.isClosed {
      _ = sink.write(try line())
      sink.drain(timeoutMilliseconds: ScreenWatch.patienceMilliseconds)
      let left = min(seconds, (end ?? .infinity) - ScreenWatch.now)
      if left <= 0 { return }
      var descriptor = pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)
      if poll(&descriptor, 1, ScreenWatch.milliseconds(left)) > 0, signals.next() != SIGWINCH { return }
      if let end, ScreenWatch.now >= end { return }
    }
  }

  /// How long a reader of the output is waited for at one look.
  private static let patienceMilliseconds: Int32 = 10_000

  private func wait(_ signals: borrowing StopSignals, _ left: Double, _ terminal: borrowing Terminal) -> Woken {
    let until = ScreenWatch.now + left
    while true {
      var descriptors = [
        pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
      ]
      let count = poll(&descriptors, 2, ScreenWatch.milliseconds(until - ScreenWatch.now))
      guard count > 0 else { return .time }
      if descriptors[0].revents != 0 { return signals.next() == SIGWINCH ? .resized : .stop }
      let keys = terminal.keys()
      if keys.isEmpty || keys == [0x1b] || keys.contains(UInt8(ascii: "q")) { return .stop }
    }
  }

  private static func milliseconds(_ seconds: Double) -> Int32 { Int32(clamping: Int(max(0, seconds) * 1000 + 1)) }

  private static var now: Double { Double(SystemClock.monotonic) / 1e9 }

  /// So many characters of a line, whose colours take no room and end with it.
  static func fit(_ line: String, _ columns: Int) -> String {
    guard line.count > columns else { return line }
    var (result, width, isColour) = ("", 0, false)
    for character in line {
      if character == "\u{1b}" { isColour = true }
      guard isColour || width < columns else { continue }
      result.append(character)
      if isColour { isColour = character != "m" } else { width += 1 }
    }
    return result
  }
}
