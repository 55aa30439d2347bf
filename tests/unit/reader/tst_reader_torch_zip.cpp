// SPDX-License-Identifier: Apache-2.0
// Values against files of PyTorch and files spelled out by tests/golden/gen/torch_zip.py.
#include "core/checkpoint/reader.h"
#include "core/evaluate/evaluate.h"
#include "tests/support/qs_test.h"
#include "tests/support/samples.h"
#include "tests/unit/checkpoint/safetensors_file.h"
#include "tests/unit/reader/torch_bytes.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

fs::path golden(const char* name) {
    return sourceDir() / "tests/golden/torch_zip" / name;
}

/// "" when tensor `a` of `x` and tensor `b` of `y` have the same type, shape and bytes.
QString difference(const Checkpoint& x, const std::string& a, const Checkpoint& y, const std::string& b) {
    const size_t i = x.find(a), j = y.find(b);
    if (i == Checkpoint::npos || j == Checkpoint::npos) return QString("%1 is missing").arg(a.c_str());
    const TensorInfo &s = x.tensors()[i], &t = y.tensors()[j];
    if (s.dtype != t.dtype || s.shape != t.shape || s.bytes != t.bytes)
        return QString("%1: type or shape").arg(a.c_str());
    const auto p = x.rawBytes(i), q = y.rawBytes(j);
    if (!p || !q) return QString("%1: no bytes").arg(a.c_str());
    if (!std::equal(p->begin(), p->end(), q->begin(), q->end())) return QString("%1: bytes").arg(a.c_str());
    if (!convertibleToFloat(s.dtype)) return {};
    const auto m = x.readMatrix(i), n = y.readMatrix(j);
    if (!m || !n || m->rows() != n->rows() || m->cols() != n->cols())
        return QString("%1: matrix").arg(a.c_str());
    const bool same = m->size() == 0 || std::memcmp(m->data(), n->data(), m->size() * sizeof(float)) == 0;
    return same ? QString() : QString("%1: values").arg(a.c_str());
}

double perplexityOf(const char* folder, QString& error) {
    const auto model = openModel(golden(folder));
    if (!model || !(*model)->hasForward()) {
        error = QString("%1 does not open as a model").arg(folder);
        return NAN;
    }
    TokenWindows tokens(2, 40);
    for (size_t i = 0; i < tokens.size(); ++i)
        tokens.data()[i] = int32_t((i * i * 7 + i * 5 + 3) % 64);
    const auto weights = checkpointWeights((*model)->checkpointPtr());
    const auto backend = makeCpuBackend(1);
    const auto result = evaluate((*model)->spec(), *weights, nullptr, tokens, {}, *backend, {});
    if (!result) error = QString::fromStdString(result.error().describe());
    return result ? result->perplexity : NAN;
}

} // namespace

/// The data is a hole between the local headers and the directory.
QS_SAMPLE(large_reader, torch_zip, [](const fs::path& folder) {
    constexpr uint32_t kHole = 134217728;
    auto items =
        torchItems(pickleOf(tensor(storage("FloatStorage", "0", kHole / 4), 0, {4096, 8192}, {8192, 1})), 0);
    std::swap(items[2], items[3]); // the storage comes last
    items[3].size = items[3].packed = items[3].localSize = kHole;
    std::string bytes = zipBytes(items);
    const size_t directory = bytes.find("PK\1\2"), field = bytes.size() - 6; // its offset, in the end record
    uint32_t at = 0;
    std::memcpy(&at, bytes.data() + field, sizeof at);
    at += kHole;
    std::memcpy(bytes.data() + field, &at, sizeof at);
    std::ofstream out(folder / "w.pt", std::ios::binary);
    out.write(bytes.data(), std::streamsize(directory));
    out.seekp(kHole, std::ios::cur);
    out.write(bytes.data() + directory, std::streamsize(bytes.size() - directory));
    return folder / "w.pt";
})

class Reader_torch_zip : public QObject {
    Q_OBJECT
private slots:
    void typesAndViews_data() {
        QTest::addColumn<QString>("file");
        for (const char* file : {"types.pt", "layout.pt", "nested.pt"})
            QTest::newRow(file) << file;
    }
    void typesAndViews() {
        QFETCH(QString, file);
        const auto opened = openCheckpoint(golden(qPrintable(file))),
                   expected = openCheckpoint(golden("expected.safetensors"));
        QS_VERIFY_OK(opened);
        QS_VERIFY_OK(expected);
        QCOMPARE((*opened)->readerId(), std::string("torch_zip"));
        size_t compared = 0;
        for (const TensorInfo& t : (*expected)->tensors()) {
            const std::string prefix = file.toStdString() + "/";
            if (t.name.rfind(prefix, 0) != 0) continue;
            const QString problem = difference(**opened, t.name.substr(prefix.size()), **expected, t.name);
            QVERIFY2(problem.isEmpty(), qPrintable(problem));
            ++compared;
        }
        QCOMPARE(compared, (*opened)->tensors().size());
        QCOMPARE(compared, size_t(file == "nested.pt" ? 2 : 19));
        QS_VERIFY_OK((*opened)->fingerprint());
    }

    void fileOfPyTorchItself() {
        const auto opened = openCheckpoint(golden("real.pt")),
                   expected = openCheckpoint(golden("real.safetensors"));
        QS_VERIFY_OK(opened);
        QS_VERIFY_OK(expected);
        QCOMPARE((*opened)->tensors().size(), (*expected)->tensors().size());
        for (const TensorInfo& t : (*expected)->tensors()) {
            const QString problem = difference(**opened, t.name, **expected, t.name);
            QVERIFY2(problem.isEmpty(), qPrintable(problem));
        }
    }

    /// [10, 12] numbers, its transpose, rows 3 to 5 of it into a wider matrix.
    void rowsOfAStridedView() {
        const auto opened = openCheckpoint(golden("types.pt"));
        QS_VERIFY_OK(opened);
        const auto whole = (*opened)->readMatrix("shared.whole");
        QS_VERIFY_OK(whole);
        const size_t t = (*opened)->find("shared.transposed");
        Matrix wide(3, 14);
        QS_VERIFY_OK((*opened)->readRows(t, 3, wide.view().block(0, 3, 2, 10)));
        for (size_t r = 0; r < 3; ++r)
            for (size_t c = 0; c < 10; ++c)
                QCOMPARE(wide(r, c + 2), (*whole)(c, r + 3));
        QCOMPARE(wide(0, 1), 0.0f);
        QCOMPARE(wide(0, 12), 0.0f);
        Matrix row(1, 10);
        QVERIFY(!(*opened)->readRows(t, 12, row.view()));
        QVERIFY(!(*opened)->readRows(t, uint64_t(-1), row.view()));
        QVERIFY(!(*opened)->readRows(t, 0, wide.view()));
    }

    void shardedModelHasThePerplexityOfItsSafetensors() {
        QString error;
        const double torch = perplexityOf("model_torch", error),
                     safe = perplexityOf("model_safetensors", error);
        QVERIFY2(error.isEmpty(), qPrintable(error));
        QVERIFY2(torch == safe && std::isfinite(safe) && safe > 1,
                 qPrintable(QString("%1 and %2").arg(torch, 0, 'g', 17).arg(safe, 0, 'g', 17)));
        const auto shards = openCheckpoint(golden("model_torch/pytorch_model.bin.index.json"));
        const auto single = openCheckpoint(golden("model_safetensors"));
        QS_VERIFY_OK(shards);
        QS_VERIFY_OK(single);
        QCOMPARE((*shards)->tensors().size(), size_t(21));
        for (const TensorInfo& t : (*single)->tensors()) {
            const QString problem = difference(**shards, t.name, **single, t.name);
            QVERIFY2(problem.isEmpty(), qPrintable(problem));
        }
    }

    void folderWithOneFile() {
        const fs::path dir = scratchDir("torch-folder");
        writeText(dir / "pytorch_model.bin",
                  zipBytes(torchItems(pickleOf(tensor(storage("FloatStorage", "0", 6), 1, {2, 2}, {1, 3})))));
        writeText(dir / "config.json", R"({"model_type":"llama"})");
        for (const fs::path& path : {dir, dir / "pytorch_model.bin"}) {
            const auto c = openCheckpoint(path);
            QS_VERIFY_OK(c);
            QCOMPARE((*c)->hasConfig(), path == dir);
            const auto w = (*c)->readMatrix("w");
            QS_VERIFY_OK(w);
            // Element (i, j) is number 1 + i + 3 j of 1, 2, 3, ...
            QCOMPARE((*w)(0, 0), 2.0f);
            QCOMPARE((*w)(0, 1), 5.0f);
            QCOMPARE((*w)(1, 0), 3.0f);
            QCOMPARE((*w)(1, 1), 6.0f);
            QCOMPARE((*w).size(), size_t(4));
        }
        // A folder with both formats opens the safe one.
        writeText(dir / "model.safetensors",
                  safetensorsBytes(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                   bytesOf<float>({5})));
        const auto both = openCheckpoint(dir);
        QS_VERIFY_OK(both);
        QCOMPARE((*both)->readerId(), std::string("safetensors"));
    }

    void indexIsCheckedAgainstTheShards() {
        const fs::path dir = scratchDir("torch-index");
        writeText(dir / "a.bin",
                  zipBytes(torchItems(pickleOf(tensor(storage("FloatStorage", "0", 6), 0, {6}, {1})))));
        const auto open = [&](const std::string& map) {
            writeText(dir / "pytorch_model.bin.index.json", R"({"weight_map":)" + map + "}");
            const auto c = openCheckpoint(dir);
            return c ? QString() : QString::fromStdString(c.error().describe());
        };
        QCOMPARE(open(R"({"w":"a.bin"})"), QString());
        QVERIFY(open(R"({"w":"../a.bin"})").contains("not a plain file name"));
        QVERIFY(open(R"({"w":"b.bin"})").contains("is missing from the folder"));
        QVERIFY(open(R"({"w":"a.bin","v":"a.bin"})").contains("'v' should be in a.bin"));
    }

    void openingReadsNoWeight() {
        // A sparse file: 1 GiB of storage of which nothing is on the disk.
        const fs::path path = scratchDir("torch-sparse") / "big.bin";
        const int64_t floats = int64_t(1) << 28;
        auto items = torchItems(
            pickleOf(tensor(storage("FloatStorage", "0", floats), 0, {1 << 14, 1 << 14}, {1 << 14, 1})), 0);
        std::swap(items[2], items[3]); // the storage last
        items[3].size = floats * 4;
        const std::string bytes = zipBytes(items);
        const size_t directory = bytes.find("PK\1\2");
        const uint32_t moved = uint32_t(directory + size_t(floats) * 4);
        std::string end = bytes.substr(directory);
        end.replace(end.size() - 6, 4, le(moved));
        writeText(path, bytes.substr(0, directory));
        fs::resize_file(path, moved);
        std::ofstream(path, std::ios::binary | std::ios::app) << end;
        QElapsedTimer timer;
        timer.start();
        const auto c = openCheckpoint(path);
        QS_VERIFY_OK(c);
        QVERIFY2(timer.elapsed() < 200, qPrintable(QString("%1 ms").arg(timer.elapsed())));
        QCOMPARE((*c)->totalBytes(), uint64_t(floats) * 4);
    }
};

QS_TEST(Reader_torch_zip)
#include "tst_reader_torch_zip.moc"
