// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Report
import Sinks

/// The live ranking: a screen on a terminal, plain tables one after another where the output is piped.
final class ScoreWatch {
  /// The rows of a moment, and what is said of it.
  struct View {
    var rows: [ScoreRow]
    var eligible: Int
    var considered: Int
    var domain: String
  }

  private let table: ProcessTable
  private let seconds: Double
  private let duration: Double?
  private let view: (Scores.Order, String?) throws -> View
  private let rows: () throws -> [ScoreRow]
  private var order: Scores.Order
  private var filter: String?
  /// What is being typed after `/`; nil where nothing is.
  private var typed: String?
  private var scroll = 0
  private var before: [Int32: Pages] = [:]

  init(
    table: ProcessTable, seconds: Double, duration: Double?, order: Scores.Order, filter: String?,
    view: @escaping (Scores.Order, String?) throws -> View, rows: @escaping () throws -> [ScoreRow]
  ) {
    self.table = table
    self.seconds = seconds
    self.duration = duration
    self.order = order
    self.filter = filter
    self.view = view
    self.rows = rows
  }

  func run() throws {
    let signals = StopSignals(and: [SIGWINCH])
    let clock = Clock.now
    let end = duration.map { clock + $0 }
    guard let terminal = Terminal() else { return try runPiped(signals, end) }
    let style = Style(coloured: OutputOptions.coloured)
    let screen = ScoreScreen(style: style, pageSizeBytes: table.identity.pageSizeBytes)
    var moment = try self.moment()
    var next = Clock.now + seconds
    while true {
      show(moment, screen, terminal)
      let left = min(next, end ?? .infinity) - Clock.now
      switch wait(signals, left) {
      case .stop: return
      case .key: if take(terminal.keys()) { return }
      case .resized: continue
      case .time:
        if let end, Clock.now >= end { return }
        next = Clock.now + seconds
      }
      moment = try self.moment()
    }
  }

  /// Tables with the time above each, as long as somebody reads.
  private func runPiped(_ signals: borrowing StopSignals, _ end: Double?) throws {
    let sink = DescriptorSink()
    let table = ScoreTable(style: Style(coloured: false), pageSizeBytes: self.table.identity.pageSizeBytes)
    while !sink.isClosed {
      _ = sink.write(Array("\(Clock.text)\n\(table.text(try rows()))\n".utf8))
      sink.drain(timeoutMilliseconds: 10_000)
      let left = min(seconds, (end ?? .infinity) - Clock.now)
      if left <= 0 || wait(signals, left, keys: false) == .stop { return }
      if let end, Clock.now >= end { return }
    }
  }

  private enum Woken { case stop, key, resized, time }

  private func wait(_ signals: borrowing StopSignals, _ left: Double, keys: Bool = true) -> Woken {
    var descriptors = [
      pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: keys ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
    ]
    let count = poll(&descriptors, 2, Int32(clamping: Int(max(0, left) * 1000 + 1)))
    guard count > 0 else { return .time }
    if descriptors[0].revents != 0 { return signals.next() == SIGWINCH ? .resized : .stop }
    return descriptors[1].revents & Int16(POLLIN) != 0 ? .key : .stop
  }

  /// True where it is to end.
  private func take(_ keys: [UInt8]) -> Bool {
    if keys.isEmpty { return true }
    if let typed { return take(keys, typed: typed) }
    switch String(decoding: keys, as: UTF8.self) {
    case "q", "Q", "\u{1b}": return true
    case "s":
      let all = Scores.Order.allCases
      order = all[(all.firstIndex(of: order)! + 1) % all.count]
    case "/": typed = ""
    case "j", "\u{1b}[B": scroll += 1
    case "k", "\u{1b}[A": scroll = max(0, scroll - 1)
    case " ", "\u{1b}[6~": scroll += 10
    case "b", "\u{1b}[5~": scroll = max(0, scroll - 10)
    default: break
    }
    return false
  }

  private func take(_ keys: [UInt8], typed text: String) -> Bool {
    var text = text
    for key in keys {
      switch key {
      case 0x0a, 0x0d:
        filter = text.isEmpty ? nil : text.contains("*") ? text : "*\(text)*"
        typed = nil
        scroll = 0
        return false
      case 0x1b:
        typed = nil
        return false
      case 0x7f, 0x08: if !text.isEmpty { text.removeLast() }
      case 0x20..<0x7f: text.unicodeScalars.append(Unicode.Scalar(key))
      default: break
      }
    }
    typed = text
    return false
  }

  private func moment() throws -> ScoreScreen.Moment {
    let view = try self.view(order, filter)
    let moment = ScoreScreen.Moment(
      clock: Clock.text, rows: view.rows, eligible: view.eligible, considered: view.considered, domain: view.domain,
      memory: (try? table.memory.state()) ?? nil,
      pressure: (try? table.memory.pressure()) ?? nil, before: before)
    before = [:]
    for row in view.rows { before[row.candidate.pid] = row.candidate.points }
    return moment
  }

  private func show(_ moment: ScoreScreen.Moment, _ screen: ScoreScreen, _ terminal: borrowing Terminal) {
    scroll = min(scroll, max(0, moment.rows.count - 1))
    let size = terminal.size
    let prompt =
      typed.map { "filter by comm: \($0)_   (Enter to take it, Esc to leave)" }
      ?? ScoreScreen.keys(columns: size.columns, order: order.rawValue, filter: filter)
    terminal.show(
      screen.lines(moment, rows: size.rows, columns: size.columns, prompt: TerminalText.safe(prompt), scroll: scroll))
  }

  private enum Clock {
    static var now: Double { Double(SystemClock.monotonic) / 1e9 }

    /// The time of day here, `04:45:12`.
    static var text: String {
      var seconds = time(nil)
      var parts = tm()
      localtime_r(&seconds, &parts)
      return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }
  }
}
