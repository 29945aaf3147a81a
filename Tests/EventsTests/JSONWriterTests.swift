// SPDX-License-Identifier: Apache-2.0
import Events
import Testing

/// What the writer makes of one value, as text.
private func written(_ body: (inout JSONWriter) -> Void) -> String {
  var json = JSONWriter()
  body(&json)
  return String(decoding: json.bytes, as: UTF8.self)
}

@Suite struct JSONWriterTests {
  static let quotations: [(String, String)] = [
    ("", #""""#),
    ("hog", #""hog""#),
    ("say \"oom\"", #""say \"oom\"""#),
    ("C:\\x41", #""C:\\x41""#),
    ("a/b", #""a/b""#),
    ("a\nb\tc\rd", #""a\nb\tc\rd""#),
    ("\u{0}\u{1}\u{8}\u{c}\u{1b}[31m\u{1f}", #""\u0000\u0001\u0008\u000c\u001b[31m\u001f""#),
    ("\u{7e}\u{7f}\u{80}\u{9b}31m\u{9f}\u{a0}", "\"~\\u007f\\u0080\\u009b31m\\u009f\u{a0}\""),
    ("\u{2027}\u{2028}\u{2029}\u{202a}", "\"\u{2027}\\u2028\\u2029\u{202a}\""),
    ("grün 記憶 \u{1f480}", "\"grün 記憶 \u{1f480}\""),
    ("e\u{301}\r\n", "\"e\u{301}\\r\\n\""),
    ("\",\"pid\":1}", #""\",\"pid\":1}""#),
  ]

  @Test("text is quoted so that it is JSON, one line, and safe on a terminal", arguments: quotations)
  func quoting(text: String, json: String) {
    #expect(written { $0.value(text) } == json)
  }

  @Test("no text can bring a control character, a quote's end or broken UTF-8 into the output")
  func everyByte() {
    for first in UInt8.min...UInt8.max {
      for second: UInt8 in [0x00, 0x0a, 0x22, 0x5c, 0x80, 0xff] {
        let name = KernelName(bytes: [first, second])
        let json = written { json in json.object { $0.field("comm", hexKey: "comm_hex", name) } }
        #expect(!json.unicodeScalars.contains { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) })
        let end = name.isValidUTF8 ? #""}"# : #"","comm_hex":""# + name.hex + #""}"#
        #expect(json.utf8.suffix(end.utf8.count).elementsEqual(end.utf8), "\(json)")
      }
    }
  }

  @Test("numbers keep every digit, and averages two decimals")
  func numbers() {
    let json = written {
      $0.object {
        $0.field("low", Int64.min)
        $0.field("high", UInt64.max)
        $0.field("pid", Int32(-1))
        $0.field("none", Int64(0))
        for hundredths: Int64 in [0, 5, 99, 100, 1234, 10_000] { $0.field("avg", hundredths: hundredths) }
      }
    }
    #expect(
      json == #"{"low":-9223372036854775808,"high":18446744073709551615,"pid":-1,"none":0,"#
        + #""avg":0.00,"avg":0.05,"avg":0.99,"avg":1.00,"avg":12.34,"avg":100.00}"#)
  }

  @Test("what is nil is absent, and leaves no comma behind")
  func nilFields() {
    let json = written {
      $0.object {
        $0.field("a", Int?.none)
        $0.field("b", Bool?.none)
        $0.field("c", String?.none)
        $0.field("d", hundredths: nil)
        $0.field("e", hexKey: "e_hex", nil)
        $0.field("f", true)
        $0.field("g", Int?.none)
        $0.field("h", "")
      }
    }
    #expect(json == #"{"f":true,"h":""}"#)
    #expect(written { $0.object { $0.field("a", Int?.none) } } == "{}")
  }

  @Test("objects and arrays nest with commas between siblings alone")
  func nesting() {
    let json = written {
      $0.object {
        $0.objectField("empty") { _ in }
        $0.field("none") { $0.array { _ in } }
        $0.field("list") {
          $0.array { json in
            json.object { _ in }
            json.object { $0.field("x", 1) }
            json.array {
              $0.value(Int64(-2))
              $0.value(false)
              $0.value("z")
            }
          }
        }
        $0.objectField("deep") { $0.objectField("deeper") { $0.field("deepest", true) } }
        $0.field("last", false)
      }
    }
    #expect(
      json == #"{"empty":{},"none":[],"list":[{},{"x":1},[-2,false,"z"]],"#
        + #""deep":{"deeper":{"deepest":true}},"last":false}"#)
  }

  @Test("a writer that is reset begins anew, with nothing of the value before")
  func reset() {
    let json = written {
      $0.object { $0.field("a", 1) }
      $0.reset()
      $0.object { $0.field("b", 2) }
      $0.appendRaw(UInt8(ascii: "\n"))
    }
    #expect(json == "{\"b\":2}\n")
  }
}
