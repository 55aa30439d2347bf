// SPDX-License-Identifier: Apache-2.0
// Damaged and malicious files of torch.save: refused with the reason, never executed, never a crash.
#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/torch_file.h"
#include "tests/support/qs_test.h"
#include "tests/unit/checkpoint/safetensors_file.h"
#include "tests/unit/reader/torch_bytes.h"

#include <random>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

QString openError(const std::string& file) {
    static int count = 0;
    const fs::path path = scratchDir("torch-hostile") / ("f" + std::to_string(++count) + ".bin");
    writeText(path, file);
    const auto opened = openCheckpoint(path);
    return opened ? QString() : QString::fromStdString(opened.error().describe());
}
QString pickleError(const std::string& pickle) {
    return openError(zipBytes(torchItems(pickle)));
}
const std::string kStorage = storage("FloatStorage", "0", 6);
std::string goodPickle() {
    return pickleOf(tensor(kStorage, 0, {2, 3}, {3, 1}));
}

struct Case {
    const char* name;
    std::string file;
    const char* mention;
};

} // namespace

class TorchHostile : public QObject {
    Q_OBJECT
private slots:
    void theGoodFileOpens() { QCOMPARE(pickleError(goodPickle()), QString()); }

    void pickles_data() {
        QTest::addColumn<QByteArray>("pickle");
        QTest::addColumn<QString>("mention");
        const auto row = [](const char* name, const std::string& pickle, const char* mention) {
            QTest::newRow(name) << QByteArray(pickle.data(), qsizetype(pickle.size())) << mention;
        };
        const std::string start = "\x80\x02";
        row("os.system", start + global("os", "system") + text("touch /tmp/x") + "\x85R.", "os.system");
        row("builtins.eval", start + global("builtins", "eval") + text("1") + "\x85R.", "builtins.eval");
        row("torch.load", start + global("torch", "load") + text("x") + "\x85R.", "torch.load");
        row("control bytes in a name", start + global("o\x1b[31m", "x") + ".", "o?[31m.x");
        row("unicode name cut", start + "cos", "without an end");
        row("stack global", start + text("os") + text("system") + "\x93.", "0x93");
        row("newobj", start + global("collections", "OrderedDict") + ")\x81.", "0x81");
        row("inst", start + "(ios\nsystem\n.", "0x69 'i'");
        row("obj", start + "(" + global("torch", "Size") + "o.", "0x6f 'o'");
        row("ext", start + "\x82\x01.", "0x82");
        row("frame", "\x80\x04\x95" + le(uint64_t(1)) + "N.", "protocol 4");
        row("text persistent id", start + "Pabc\n.", "0x50 'P'");
        row("protocol 0", "I1\n.", "0x49 'I'");
        row("state on a tensor", start + tensor(kStorage, 0, {6}, {1}) + "}b.", "BUILD");
        row("call of a number", start + "K\x01)R.", "what is called");
        row("call of a type", start + global("torch", "FloatStorage") + ")R.", "a type is called");
        row("memo miss", start + "h\x07.", "memo has no entry 7");
        row("empty stack", start + "s.", "stack empty");
        row("mark protects", start + "N(\x85.", "stack empty");
        row("no mark", start + "u.", "finds no mark");
        row("append to a dict", start + "}Na.", "added to a dict");
        row("odd items", start + "}(Nu.", "a key without a value");
        row("ends in a mark", start + "(N.", "inside a mark");
        row("two values", start + "NN.", "ends with 2 values");
        row("no stop", start + "N", "truncated");
        row("empty", "", "truncated");
        row("long string", start + "X" + le(uint32_t(0xFFFFFFFF)) + "abc.", "string of 4294967295 bytes");
        row("cut string", start + "X" + le(uint32_t(100)) + "abc.", "truncated");
        row("string not UTF-8", start + "X" + le(uint32_t(1)) + "\xff.", "not UTF-8");
        row("deep marks", start + std::string(2000, '('), "nested more than 1024");
        row("deep tuples", start + "N" + std::string(3'000'000, '\x85') + ".", "more than 2097152 values");
        row("stack bomb", start + std::string(1'100'000, 'N') + ".", "on the stack");
        std::string memo = start + "N";
        for (uint32_t i = 0; i < 1'100'000; ++i)
            memo += "r" + le(i);
        row("memo bomb", memo + ".", "memo entries");
        row("a list that holds itself", start + "]q\x01h\x01\x61.", "does not hold a dict");
        row("huge integer", start + "}" + text("w") + "\x8a\xff" + std::string(255, '\x7f') + "s.",
            "holds tensors");
        row("cut integer", start + "\x8a\xff\x01.", "truncated");
        row("no dict", start + tensor(kStorage, 0, {6}, {1}) + ".", "does not hold a dict");
        row("no tensors", start + "}" + text("epoch") + "K\x01s.", "holds tensors");
        row("number as a name", start + "}K\x01" + tensor(kStorage, 0, {6}, {1}) + "s.", "not a string");
        const std::string w = text("w") + tensor(kStorage, 0, {6}, {1});
        row("name twice", start + "}(" + w + w + "u.", "there twice");
        row("name with NUL", pickleOf(tensor(kStorage, 0, {6}, {1}), std::string("a\0b", 3)), "NUL");
        row("OrderedDict of pairs", start + global("collections", "OrderedDict") + "]\x85R.",
            "OrderedDict with");
        row("persistent id of 4", start + tuple({text("storage"), "N", "N", "N"}) + "Q.", "has 5 parts");
        row("persistent id tag",
            start +
                tuple({text("module"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(6)}) +
                "Q.",
            "not a storage");
        row("integer of 65 bits as a length",
            start +
                tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"),
                       "\x8a\x09" + std::string(8, '\0') + "\x01"}) +
                "Q.",
            "more than 64 bits");
    }
    void pickles() {
        QFETCH(QByteArray, pickle);
        QFETCH(QString, mention);
        const QString message = pickleError(pickle.toStdString());
        QVERIFY2(message.contains(mention), qPrintable(message));
        QVERIFY2(message.contains(".bin: "), qPrintable(message));
    }

    void refusalNamesThePlace() {
        const QString message = pickleError("\x80\x02" + global("os", "system") + ".");
        QVERIFY2(message.contains("entry a/data.pkl: byte 2: "), qPrintable(message));
    }

    void views_data() {
        QTest::addColumn<QByteArray>("value");
        QTest::addColumn<QString>("mention");
        const auto row = [](const char* name, const std::string& value, const char* mention) {
            QTest::newRow(name) << QByteArray(value.data(), qsizetype(value.size())) << mention;
        };
        row("one too many", tensor(kStorage, 0, {7}, {1}), "reaches element 6 of a storage of 6");
        row("offset", tensor(kStorage, 4, {3}, {1}), "reaches element 6");
        row("stride", tensor(kStorage, 0, {2, 2}, {5, 1}), "reaches element 6");
        row("negative stride", tensor(kStorage, 5, {6}, {-1}), "holds -1");
        row("negative size", tensor(kStorage, 0, {-6}, {1}), "holds -6");
        row("negative offset", tensor(kStorage, -1, {6}, {1}), "offset is negative");
        row("overflowing stride", tensor(kStorage, 0, {4}, {INT64_MAX}), "overflows 64 bits");
        row("overflowing size", tensor(kStorage, 0, {INT64_MAX, 16}, {0, 0}), "overflows 64 bits");
        row("sum overflows", tensor(kStorage, INT64_MAX, {2, 2, 2}, {INT64_MAX, INT64_MAX, INT64_MAX}),
            "overflows 64 bits");
        row("repeats", tensor(kStorage, 0, {1 << 30}, {0}), "repeats");
        row("empty outside", tensor(kStorage, 7, {0}, {1}), "starts outside");
        row("strides missing", tensor(kStorage, 0, {2, 3}, {3}), "2 dimensions but 1 strides");
        row("rank 17", tensor(kStorage, 0, std::vector<int64_t>(17, 1), std::vector<int64_t>(17, 1)),
            "more than 16");
        row("no such storage", tensor(storage("FloatStorage", "1", 6), 0, {6}, {1}), "no entry a/data/1");
        row("storage outside the folder", tensor(storage("FloatStorage", "../data.pkl", 6), 0, {6}, {1}),
            "no entry");
        row("storage of another length", tensor(storage("FloatStorage", "0", 5), 0, {5}, {1}), "24 bytes");
        row("storage of another type", tensor(storage("HalfStorage", "0", 6), 0, {6}, {1}), "24 bytes");
        row("storage length overflows", tensor(storage("DoubleStorage", "0", int64_t(1) << 61), 0, {6}, {1}),
            "24 bytes");
    }
    void views() {
        QFETCH(QByteArray, value);
        QFETCH(QString, mention);
        const QString message = pickleError(pickleOf(value.toStdString()));
        QVERIFY2(message.contains(mention), qPrintable(message));
    }

    void archives() {
        const auto items = [] { return torchItems(goodPickle()); };
        const auto with = [&](size_t i, auto change) {
            auto list = items();
            change(list[i]);
            return zipBytes(list);
        };
        const std::string good = zipBytes(items());
        auto twice = items(), traversal = items(), absolute = items();
        twice.push_back(twice[2]);
        traversal.push_back({"a/../../etc/passwd", "x"});
        absolute.push_back({"/etc/passwd", "x"});
        std::string bigEndian = zipBytes({{"a/data.pkl", goodPickle()}, {"a/byteorder", "big"}});
        std::string script = zipBytes({{"a/data.pkl", goodPickle()}, {"a/constants.pkl", "N."}});
        std::string disks = good;
        disks[disks.size() - 18] = 1;
        std::string legacy = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
        std::string tar(600, '\0');
        tar.replace(257, 5, "ustar");
        const std::vector<Case> cases = {
            {"compressed", with(2, [](ZipItem& i) { i.method = 8; }), "compressed (method 8)"},
            {"encrypted", with(2, [](ZipItem& i) { i.flags = 1; }), "encrypted"},
            {"other local name", with(2, [](ZipItem& i) { i.localName = "a/data/1"; }), "another name"},
            {"other local size", with(2, [](ZipItem& i) { i.localSize = 20; }), "local header states 20"},
            {"packed size", with(2, [](ZipItem& i) { i.packed = 20; }), "packed into 20"},
            {"overlap", with(2, [](ZipItem& i) { i.size = i.localSize = 40; }), "overlaps entry a/data/0"},
            {"beyond the directory", with(3, [](ZipItem& i) { i.size = i.localSize = 4000; }),
             "beyond the start"},
            {"header elsewhere", with(2, [](ZipItem& i) { i.headerOffset = 3; }), "no local header at 3"},
            {"header of another", with(2, [](ZipItem& i) { i.headerOffset = 0; }), "another name"},
            {"traversal", zipBytes(traversal), "not a plain relative path"},
            {"absolute", zipBytes(absolute), "not a plain relative path"},
            {"twice", zipBytes(twice), "there twice"},
            {"big endian", bigEndian, "byte order"},
            {"TorchScript", script, "TorchScript"},
            {"no pickle", zipBytes({{"x/y", "z"}}), "no entry <root>/data.pkl"},
            {"two pickles", zipBytes({{"a/data.pkl", "N."}, {"b/data.pkl", "N."}}), "two entries"},
            {"disks", disks, "several disks"},
            {"truncated", good.substr(0, good.size() / 2), "no end of a zip directory"},
            {"only a mark", "PK", "no end of a zip directory"},
            {"legacy", legacy, "before version 1.6"},
            {"tar", tar, "tar file"},
            {"a bare pickle", "\x80\x02N.", "does not start with the mark of a zip"},
        };
        for (const Case& c : cases) {
            const QString message = openError(c.file);
            QVERIFY2(message.contains(c.mention), qPrintable(QString("%1: %2").arg(c.name, message)));
        }
        QCOMPARE(openError(zipBytes(items(), "a comment")), QString());
    }

    /// Every byte changed in turn, every length: an answer, whatever it is, and no view that leaves the file.
    void everyByte() {
        const std::string good = zipBytes(torchItems(goodPickle()));
        const auto opens = [](const std::string& bytes) {
            const auto list = readTorchFile(asBytes(bytes), "x");
            if (!list) return false;
            for (const TorchTensor& t : *list) {
                uint64_t last = t.offset;
                for (size_t i = 0; i < t.shape.size(); ++i)
                    last += t.shape[i] == 0
                                ? 0
                                : (t.shape[i] - 1) * t.strides[i] * uint64_t(dtypeInfo(t.dtype).bits) / 8;
                if (last > bytes.size())
                    qFatal("a tensor ends at %llu", static_cast<unsigned long long>(last));
            }
            return true;
        };
        QVERIFY(opens(good));
        std::mt19937 rng(5);
        for (size_t i = 0; i < good.size(); ++i) {
            std::string bad = good;
            for (const int change : {1, 0x80, int(rng() % 255 + 1)}) {
                bad[i] = char(good[i] ^ change);
                (void)opens(bad);
            }
            QVERIFY(!opens(good.substr(0, i)));
        }
    }
};

QS_TEST(TorchHostile)
#include "tst_torch_hostile.moc"
