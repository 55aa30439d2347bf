// SPDX-License-Identifier: Apache-2.0
// Files of h5py (foreign/make_foreign.py): element (i, j, k) is base + 100 i + 10 j + k.
#include "core/checkpoint/mapped_hdf5.h"
#include "core/checkpoint/path_pattern.h"
#include "core/checkpoint/reader.h"
#include "core/hdf5/h5_file.h"
#include "core/model/model.h"
#include "tests/support/qs_test.h"
#include "tests/support/samples.h"
#include "tests/unit/checkpoint/safetensors_file.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

fs::path foreign(const char* name) {
    return sourceDir() / "tests/unit/reader/foreign" / name;
}

using Expected = std::function<double(size_t row, size_t col)>;

/// "" when the tensor has this shape and these values.
QString problemOf(const Checkpoint& c, const std::string& name, const std::vector<uint64_t>& shape,
                  const Expected& value) {
    const size_t index = c.find(name);
    if (index == Checkpoint::npos) return QString("%1 is missing").arg(name.c_str());
    if (c.tensors()[index].shape != shape) return QString("%1 has another shape").arg(name.c_str());
    const auto m = c.readMatrix(index);
    if (!m) return QString::fromStdString(m.error().describe());
    for (size_t r = 0; r < m->rows(); ++r)
        for (size_t k = 0; k < m->cols(); ++k)
            if (!(double((*m)(r, k)) == value(r, k)))
                return QString("%1 [%2, %3] is %4").arg(name.c_str()).arg(r).arg(k).arg(double((*m)(r, k)));
    return {};
}

QString errorOf(const fs::path& path) {
    const auto c = openCheckpoint(path);
    return c ? QString() : QString::fromStdString(c.error().describe());
}

std::string reasonOf(const H5Listing& listing, const std::string& path) {
    for (const H5Node& n : listing.nodes)
        if (n.path == path) return n.kind == H5Node::Kind::Refused ? n.reason : "accepted";
    return "missing";
}

QString mappingError(const std::string& json) {
    const auto m = parseH5Mapping(json, "x.json");
    return m ? QString() : QString::fromStdString(m.error().describe());
}

} // namespace

QS_SAMPLE(reader, hdf5, [](const fs::path& folder) {
    fs::copy_file(foreign("keras3.weights.h5"), folder / "keras3.weights.h5");
    return folder / "keras3.weights.h5";
})

QS_SAMPLE(large_reader, hdf5, [](const fs::path& folder) {
    const auto writer = H5Writer::begin(folder / "w.h5");
    const Matrix zeros(4096, 8192);
    if (!writer || !(*writer)->matrix("/w", zeros, H5Filter::Checksum) || !(*writer)->commit())
        return fs::path();
    return folder / "w.h5";
})

#define VERIFY_TENSOR(checkpoint, name, shape, ...)                                                          \
    do {                                                                                                     \
        const QString problem = problemOf(checkpoint, name, shape, __VA_ARGS__);                             \
        QVERIFY2(problem.isEmpty(), qPrintable(problem));                                                    \
    } while (false)

class Reader_hdf5 : public QObject {
    Q_OBJECT
private slots:
    void everyTypeAndByteOrder() {
        const auto c = openCheckpoint(foreign("types.h5"));
        QS_VERIFY_OK(c);
        QCOMPARE((*c)->readerId(), std::string("hdf5"));
        const std::pair<const char*, DType> types[] = {
            {"f2", DType::F16}, {"f4", DType::F32}, {"f8", DType::F64}, {"i1", DType::I8},
            {"u1", DType::U8},  {"i2", DType::I16}, {"u2", DType::U16}, {"i4", DType::I32},
            {"u4", DType::U32}, {"i8", DType::I64}, {"u8", DType::U64}};
        for (const auto& [name, type] : types)
            for (const std::string& n : {std::string(name), std::string(name) + "_big"}) {
                VERIFY_TENSOR(**c, n, (std::vector<uint64_t>{2, 3}),
                              [](size_t r, size_t k) { return 1.0 + 10 * double(r) + double(k); });
                const TensorInfo& t = (*c)->tensors()[(*c)->find(n)];
                QVERIFY2(t.dtype == type, n.c_str());
                QCOMPARE(t.bytes, uint64_t(6) * uint64_t(dtypeInfo(type).bits / 8));
            }
        VERIFY_TENSOR(**c, "bool", (std::vector<uint64_t>{1, 3}),
                      [](size_t, size_t k) { return k == 1 ? 0.0 : 1.0; });
        VERIFY_TENSOR(**c, "scalar", {}, [](size_t, size_t) { return 2.5; });
        VERIFY_TENSOR(**c, "empty", (std::vector<uint64_t>{0, 3}), [](size_t, size_t) { return 0.0; });
        VERIFY_TENSOR(**c, "deep.er.weight", (std::vector<uint64_t>{2, 3}),
                      [](size_t r, size_t k) { return 1.0 + 10 * double(r) + double(k); });
        const auto raw = (*c)->rawBytes((*c)->find("i2_big"));
        QS_VERIFY_OK(raw);
        QCOMPARE(std::to_integer<int>((*raw)[0]), 1); // little endian now
        QCOMPARE(std::to_integer<int>((*raw)[10]), 13);
        const auto again = openCheckpoint(foreign("types.h5"));
        QCOMPARE((*again)->fingerprint().value(), (*c)->fingerprint().value());
    }

    /// [7, 5, 11, 13] counting up, in chunks that fit no axis: any run of rows, whatever axes it crosses.
    void rowsAcrossChunks() {
        const auto c = openCheckpoint(foreign("types.h5"));
        QS_VERIFY_OK(c);
        for (const char* name : {"chunked", "plain"}) {
            const size_t index = (*c)->find(name);
            for (uint64_t first = 0; first < 385; first += 17)
                for (const size_t rows : {size_t(1), size_t(12), size_t(54), size_t(111)}) {
                    if (first + rows > 385) continue;
                    Matrix wide(rows, 15);
                    QS_VERIFY_OK((*c)->readRows(index, first, wide.view().block(0, rows, 1, 13)));
                    for (size_t r = 0; r < rows; ++r)
                        for (size_t k = 0; k < 13; ++k)
                            QCOMPARE(double(wide(r, k + 1)), double((first + r) * 13 + k));
                }
            Matrix row(1, 13);
            QVERIFY(!(*c)->readRows(index, 385, row.view()));
            QVERIFY(!(*c)->readRows(index, uint64_t(-1), row.view()));
        }
    }

    void keras2() {
        const auto c = openCheckpoint(foreign("keras2.weights.h5"));
        QS_VERIFY_OK(c);
        QCOMPARE((*c)->tensors().size(), size_t(10));
        VERIFY_TENSOR(**c, "embed.weight", (std::vector<uint64_t>{5, 4}),
                      [](size_t r, size_t k) { return 1000.0 + 10 * double(r) + double(k); });
        // Stored [in, out].
        VERIFY_TENSOR(**c, "dense.weight", (std::vector<uint64_t>{3, 2}),
                      [](size_t o, size_t i) { return 10.0 * double(i) + double(o); });
        VERIFY_TENSOR(**c, "dense.bias", (std::vector<uint64_t>{3}),
                      [](size_t, size_t k) { return 7.0 + double(k); });
        VERIFY_TENSOR(**c, "norm.weight", (std::vector<uint64_t>{3}),
                      [](size_t, size_t k) { return 1.0 + double(k); });
        VERIFY_TENSOR(**c, "norm.bias", (std::vector<uint64_t>{3}),
                      [](size_t, size_t k) { return 2.0 + double(k); });
        // A convolution keeps its axes.
        VERIFY_TENSOR(**c, "conv.weight", (std::vector<uint64_t>{2, 3, 4}), [](size_t r, size_t k) {
            return 5.0 + 100.0 * double(r / 3) + 10.0 * double(r % 3) + double(k);
        });
        // [hidden, heads, size] -> [heads * size, hidden]
        VERIFY_TENSOR(**c, "attn.query.weight", (std::vector<uint64_t>{4, 3}), [](size_t o, size_t h) {
            return 100.0 * double(h) + 10.0 * double(o / 2) + double(o % 2);
        });
        VERIFY_TENSOR(**c, "attn.query.bias", (std::vector<uint64_t>{4}),
                      [](size_t, size_t o) { return 3.0 + 10.0 * double(o / 2) + double(o % 2); });
        // [heads, size, hidden] -> [hidden, heads * size]
        VERIFY_TENSOR(**c, "attn.attention_output.weight", (std::vector<uint64_t>{3, 4}),
                      [](size_t h, size_t i) {
                          return 9.0 + 100.0 * double(i / 2) + 10.0 * double(i % 2) + double(h);
                      });
        const auto raw = (*c)->rawBytes((*c)->find("dense.weight"));
        QS_VERIFY_OK(raw);
        float second = 0;
        std::memcpy(&second, raw->data() + 4, 4);
        QCOMPARE(second, 10.0f); // element [0, 1] of the transpose
        const auto model = openModel(foreign("keras2.weights.h5"));
        QS_VERIFY_OK(model);
        QVERIFY(!(*model)->hasForward());
        QVERIFY((*model)->findTarget("dense"));
        QCOMPARE((*model)->findTarget("dense")->cols, size_t(2));
    }

    void keras2WholeModel() {
        const auto c = openCheckpoint(foreign("keras2_model.h5"));
        QS_VERIFY_OK(c);
        QCOMPARE((*c)->tensors().size(), size_t(2)); // the optimizer's are left out
        VERIFY_TENSOR(**c, "a.weight", (std::vector<uint64_t>{3, 2}),
                      [](size_t o, size_t i) { return 10.0 * double(i) + double(o); });
        VERIFY_TENSOR(**c, "b.weight", (std::vector<uint64_t>{2, 3}),
                      [](size_t o, size_t i) { return 50.0 + 10.0 * double(i) + double(o); });
    }

    void keras3() {
        const auto c = openCheckpoint(foreign("keras3.weights.h5"));
        QS_VERIFY_OK(c);
        QCOMPARE((*c)->tensors().size(), size_t(6));
        VERIFY_TENSOR(**c, "dense.weight", (std::vector<uint64_t>{3, 2}),
                      [](size_t o, size_t i) { return 10.0 * double(i) + double(o); });
        QVERIFY((*c)->tensors()[(*c)->find("dense.weight")].dtype == DType::BF16);
        VERIFY_TENSOR(**c, "dense.bias", (std::vector<uint64_t>{3}),
                      [](size_t, size_t k) { return 7.0 + double(k); });
        VERIFY_TENSOR(**c, "embedding.weight", (std::vector<uint64_t>{5, 4}),
                      [](size_t r, size_t k) { return 1000.0 + 10 * double(r) + double(k); });
        VERIFY_TENSOR(
            **c, "block.attn.query_dense.weight", (std::vector<uint64_t>{4, 3}),
            [](size_t o, size_t h) { return 100.0 * double(h) + 10.0 * double(o / 2) + double(o % 2); });
        VERIFY_TENSOR(**c, "block.attn.query_dense.bias", (std::vector<uint64_t>{4}),
                      [](size_t, size_t o) { return 3.0 + 10.0 * double(o / 2) + double(o % 2); });
        VERIFY_TENSOR(**c, "block.attn.output_dense.weight", (std::vector<uint64_t>{3, 4}),
                      [](size_t h, size_t i) {
                          return 9.0 + 100.0 * double(i / 2) + 10.0 * double(i % 2) + double(h);
                      });
        const fs::path archive = scratchDir("keras") / "m.keras";
        writeText(archive, "PK\3\4");
        QVERIFY(errorOf(archive).contains("model.weights.h5"));
    }

    void mappingFile() {
        const fs::path dir = scratchDir("h5-map"), path = dir / "m.h5";
        fs::copy_file(foreign("types.h5"), path);
        writeText(
            dir / "m.h5.map.json",
            R"({"rules": [{"pattern": "/compact_words", "role": "weight", "module": "words", "bfloat16": true, "transpose": true},
                  {"pattern": "f?", "role": "weight", "module": "layers.{1}"},
                  {"pattern": "deep/*/weight", "role": "bias", "module": "deep.{1}.b"},
                  {"pattern": "chunked", "role": "weight", "module": "m", "flatten": "trailing", "transpose": true},
                  {"pattern": "plain", "role": "activation"},
                  {"pattern": "**", "role": "ignore"}]})");
        // "{1}" without a star in the pattern.
        QVERIFY(errorOf(path).contains("rule 2") && errorOf(path).contains("star"));
        writeText(
            dir / "m.h5.map.json",
            R"({"rules": [{"pattern": "/compact_words", "role": "weight", "module": "words", "bfloat16": true, "transpose": true},
                  {"pattern": "deep/*/weight", "role": "bias", "module": "deep.{1}.b"},
                  {"pattern": "chunked", "role": "weight", "module": "m", "flatten": "trailing", "transpose": true},
                  {"pattern": "plain", "role": "activation"},
                  {"pattern": "**", "role": "ignore"}]})");
        const auto c = openCheckpoint(path);
        QS_VERIFY_OK(c);
        QCOMPARE((*c)->tensors().size(), size_t(3));
        VERIFY_TENSOR(**c, "words.weight", (std::vector<uint64_t>{3, 2}),
                      [](size_t o, size_t i) { return 1.0 + 10.0 * double(i) + double(o); });
        VERIFY_TENSOR(**c, "deep.er.b.bias", (std::vector<uint64_t>{6}),
                      [](size_t, size_t k) { return 1.0 + 10.0 * double(k / 3) + double(k % 3); });
        // [7, 715] as [715, 7], read by rows too.
        VERIFY_TENSOR(**c, "m.weight", (std::vector<uint64_t>{715, 7}),
                      [](size_t r, size_t k) { return double(k * 715 + r); });
        const auto file = MappedHdf5::open(path);
        QS_VERIFY_OK(file);
        const auto plain = std::find_if((*file)->arrays().begin(), (*file)->arrays().end(),
                                        [](const H5MappedArray& a) { return a.role == H5Role::Activation; });
        QVERIFY(plain != (*file)->arrays().end());
        QCOMPARE(plain->name, std::string("plain"));
        QCOMPARE(plain->shape, (std::vector<uint64_t>{385, 13}));
        QVERIFY(plain->reason.starts_with("rule 4 of "));
    }

    void mappingErrors() {
        QCOMPARE(mappingError(R"({"rules": []})"), QString());
        const std::pair<const char*, const char*> cases[] = {
            {"[]", "one field"},
            {R"({"rules": {}})", "one field"},
            {R"({"rules": [], "x": 1})", "one field"},
            {R"({"rules": [1]})", "rule 1: must be an object"},
            {R"({"rules": [{"role": "weight"}]})", "pattern is missing"},
            {R"({"rules": [{"pattern": "a"}]})", "role is missing"},
            {R"({"rules": [{"pattern": "a", "role": "weights"}]})",
             "weight, bias, activation, tensor, ignore"},
            {R"({"rules": [{"pattern": "a", "role": "weight", "transposed": true}]})",
             "unknown field 'transposed'"},
            {R"({"rules": [{"pattern": "a", "role": "weight", "transpose": 1}]})", "true or false"},
            {R"({"rules": [{"pattern": "a", "role": "weight", "flatten": "all"}]})", "leading or trailing"},
            {R"({"rules": [{"pattern": "*?*?*?*?*?*?*?*?*", "role": "weight"}]})", "8 stars"},
            {R"({"rules": [{"pattern": "a", "role": "weight")", "x.json"},
            {R"({"rules": [[[[[[[[[[[1]]]]]]]]]]]})", "x.json"},
        };
        for (const auto& [json, mention] : cases)
            QVERIFY2(mappingError(json).contains(mention), json);
        const std::string many = "{\"rules\": [" + std::string(600, ' ');
        std::string list = R"({"pattern": "a", "role": "weight"})";
        for (int i = 0; i < 300; ++i)
            list += R"(,{"pattern": "a", "role": "weight"})";
        QVERIFY(mappingError(many + list + "]}").contains("301 rules"));
        const fs::path dir = scratchDir("h5-map-errors"), path = dir / "m.h5";
        fs::copy_file(foreign("types.h5"), path);
        const std::pair<const char*, const char*> applied[] = {
            {R"({"pattern": "f4", "role": "weight", "bfloat16": true})", "bfloat16 of F32"},
            {R"({"pattern": "chunked", "role": "weight", "transpose": true})", "4 dimensions"},
            {R"({"pattern": "scalar", "role": "activation"})", "0 dimensions"},
            {R"({"pattern": "f*", "role": "weight", "module": "same"})",
             "two arrays take the name 'same.weight'"},
        };
        for (const auto& [rule, mention] : applied) {
            writeText(dir / "m.h5.map.json", std::string("{\"rules\": [") + rule + "]}");
            QVERIFY2(errorOf(path).contains(mention), qPrintable(errorOf(path)));
        }
    }

    /// Written by hand arithmetic on the definition of each wildcard.
    void patterns_data() {
        QTest::addColumn<QString>("pattern");
        QTest::addColumn<QString>("path");
        QTest::addColumn<QString>("stars"); // joined by '|', "-" = no match
        const char* rows[][3] = {{"/a/*/c", "/a/b/c", "b"},
                                 {"/a/*/c", "/a/b/x/c", "-"},
                                 {"/a/*", "/a/", ""},
                                 {"/a/**/c", "/a/b/x/c", "b/x"},
                                 {"/a/**/c", "/a/c", ""},
                                 {"/**/w", "/w", ""},
                                 {"/**/w", "/a/b/w", "a/b"},
                                 {"/**.w", "/a/b.w", "a/b"},
                                 {"/?/w", "/a/w", ""},
                                 {"/?", "//", "-"},
                                 {"/l*r*", "/layer_r", "aye|_r"},
                                 {"/**", "/", ""},
                                 {"/a", "/a", ""},
                                 {"/a", "/ab", "-"},
                                 {"/*/**/x", "/a/b/c/x", "a|b/c"},
                                 {"/**/v/*", "/l/d/v/0", "l/d|0"}};
        for (const auto& r : rows)
            QTest::newRow((std::string(r[0]) + " on " + r[1]).c_str()) << r[0] << r[1] << r[2];
    }
    void patterns() {
        QFETCH(QString, pattern);
        QFETCH(QString, path);
        QFETCH(QString, stars);
        uint64_t budget = 1 << 20;
        const auto found = matchPath(pattern.toStdString(), path.toStdString(), budget);
        if (stars == "-") {
            QVERIFY(!found);
            return;
        }
        QVERIFY(found);
        QStringList list;
        for (const std::string& s : *found)
            list.append(QString::fromStdString(s));
        QCOMPARE(list.join('|'), stars);
    }

    void patternsCostWhatTheyMay() {
        uint64_t budget = 1 << 22;
        const std::string path = "/" + std::string(1000, 'a'), pattern = "/**a**a**a**a**a**a**a**b";
        QVERIFY(!matchPath(pattern, path, budget));
        uint64_t little = 100;
        QVERIFY(!matchPath("/**", path, little));
        QCOMPARE(little, uint64_t(0));
    }

    void refusals() {
        const auto file = MappedHdf5::open(foreign("refused.h5"));
        QS_VERIFY_OK(file);
        const std::pair<const char*, const char*> cases[] = {
            {"/soft", "a soft link"},
            {"/dangling", "a soft link"},
            {"/external", "another file"},
            {"/etc", "another file"},
            {"/external_storage", "another file"},
            {"/virtual", "virtual"},
            {"/strings", "strings"},
            {"/varying", "varying length"},
            {"/varying_strings", "strings"},
            {"/compound", "compounds"},
            {"/complex", "compounds"},
            {"/reference", "references"},
            {"/long_double", "unknown layout"},
            {"/rank9", "9 dimensions"},
            {"/huge_chunk", "a chunk exceeds"},
            {"/terabytes", "stored bytes cannot hold"},
            {"/too_many", "more than 1099511627776 elements"},
            {"/never_written", "0 stored bytes"},
            {"/null", "without a shape"},
            {"/scale_offset", "filter 6"},
            {"/lzf", "filter 32000"},
            {"/named_type", "neither a group nor an array"},
            {"/good", "accepted"},
        };
        for (const auto& [path, mention] : cases) {
            const std::string reason = reasonOf((*file)->listing(), path);
            QVERIFY2(reason.find(mention) != std::string::npos, (std::string(path) + ": " + reason).c_str());
        }
        QCOMPARE((*file)->listing().nodes.size(), std::size(cases) + 1);
        QCOMPARE((*file)->arrays().size(), size_t(1));
    }

    void cyclesAndDepth() {
        const auto cycle = MappedHdf5::open(foreign("cycle.h5"));
        QS_VERIFY_OK(cycle);
        QCOMPARE((*cycle)->arrays().size(), size_t(1));
        const H5Listing& listing = (*cycle)->listing();
        QVERIFY(reasonOf(listing, "/a/again").find("already") != std::string::npos ||
                reasonOf(listing, "/a").find("already") != std::string::npos);
        QVERIFY(reasonOf(listing, "/a/b/root").find("already") != std::string::npos);
        const auto deep = MappedHdf5::open(foreign("deep.h5"));
        QS_VERIFY_OK(deep);
        QCOMPARE((*deep)->arrays().size(), size_t(1));
        const H5Node* last = nullptr;
        for (const H5Node& n : (*deep)->listing().nodes)
            if (n.kind == H5Node::Kind::Refused) last = &n;
        QVERIFY(last && last->reason.find("32 groups deep") != std::string::npos);
    }

    void ownFiles() {
        const fs::path dir = scratchDir("h5-own");
        auto w = H5Writer::begin(dir / "c.h5");
        QS_VERIFY_OK(w);
        QS_VERIFY_OK((*w)->attribute("/", "schema", "quantoscope-calibration"));
        QS_VERIFY_OK((*w)->array<float>("/x", std::vector<float>{1, 2}, {1, 2}, H5Filter::Compress));
        QS_VERIFY_OK((*w)->commit());
        QVERIFY(errorOf(dir / "c.h5").contains("a calibration file of this program"));
        auto v = H5Writer::begin(dir / "w.h5");
        QS_VERIFY_OK(v);
        QS_VERIFY_OK(
            (*v)->array<float>("/m/weight", std::vector<float>{1, 2, 3, 4}, {2, 2}, H5Filter::Compress));
        QS_VERIFY_OK((*v)->commit());
        const auto c = openCheckpoint(dir / "w.h5");
        QS_VERIFY_OK(c);
        VERIFY_TENSOR(**c, "m.weight", (std::vector<uint64_t>{2, 2}),
                      [](size_t r, size_t k) { return 1.0 + 2.0 * double(r) + double(k); });
        QVERIFY(errorOf(foreign("dump.h5")).contains("1 activations and no weights"));
        writeText(dir / "not.h5", "no HDF5 at all");
        QVERIFY(errorOf(dir / "not.h5").contains("cannot open the HDF5 file"));
        QVERIFY(errorOf(dir / "not.h5").contains("not.h5: "));
    }
};

QS_TEST(Reader_hdf5)
#include "tst_reader_hdf5.moc"
