// SPDX-License-Identifier: Apache-2.0
// Importance matrices against files that tests/golden/gen/imatrix.py made from the formats' description.
#include "core/calibrate/imatrix.h"

#include "core/linalg/openblas.h"
#include "tests/support/gguf_file.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"
#include "tests/unit/architecture/golden_case.h"

#include <cmath>
#include <fstream>
#include <limits>

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

namespace {

fs::path golden(const char* name) {
    return sourceDir() / "tests/golden/gguf" / name;
}

std::string bytesOf(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// What imatrix.py says of entry n, expert e, channel c.
double expectedSum(size_t n, size_t e, size_t c) {
    return double(n + 1) * 10 + double(e) + double(c) / 4;
}

} // namespace

class ImatrixFiles : public QObject {
    Q_OBJECT

    fs::path folder_;

    QString refusal(const std::string& bytes) {
        std::ofstream(folder_ / "bad", std::ios::binary | std::ios::trunc) << bytes;
        const auto read = readImatrix(folder_ / "bad");
        return read ? QString("accepted") : QString::fromStdString(read.error().describe());
    }

private slots:
    void init() { folder_ = scratchDir("imatrix"); }

    void ggufForm() {
        const auto m = readImatrix(golden("imatrix.gguf"));
        QS_VERIFY_OK(m);
        QCOMPARE(m->datasets, (std::vector<std::string>{"a.txt", "b.txt"}));
        QCOMPARE(m->chunks, 5u);
        QCOMPARE(m->chunkSize, 8u);
        QCOMPARE(m->entries.size(), size_t(3));
        const char* const names[] = {"blk.0.attn_q.weight", "blk.0.ffn_down.weight",
                                     "blk.1.ffn_gate_exps.weight"};
        for (size_t n = 0; n < 3; ++n) {
            const ImatrixEntry& e = m->entries[n];
            QCOMPARE(e.weight, std::string(names[n]));
            QCOMPARE(e.experts(), size_t(n == 2 ? 2 : 1));
            QCOMPARE(e.channels, size_t(n == 1 ? 64 : 32));
            for (size_t x = 0; x < e.experts(); ++x) {
                QCOMPARE(e.counts[x], float(8 * (x + 1)));
                for (size_t c = 0; c < e.channels; ++c)
                    QCOMPARE(double(e.sum2[x * e.channels + c]), expectedSum(n, x, c));
            }
        }
    }

    /// The same means; the numbers of tokens are not in this format.
    void olderForm() {
        const auto m = readImatrix(golden("imatrix.dat"));
        QS_VERIFY_OK(m);
        QCOMPARE(m->datasets, std::vector<std::string>{"b.txt"});
        QCOMPARE(m->chunks, 5u);
        QCOMPARE(m->chunkSize, 0u);
        QCOMPARE(m->entries.size(), size_t(3));
        const ImatrixEntry& down = m->entries[1];
        for (size_t c = 0; c < 64; ++c)
            QVERIFY(std::abs(down.sum2[c] / down.counts[0] - expectedSum(1, 0, c) / 8) <= 1e-5);
    }

    void modulesOfAModel() {
        const auto m = readImatrix(golden("imatrix.gguf"));
        QS_VERIFY_OK(m);
        QS_VERIFY_OK(writeSmallModel(folder_ / "model", {}, smallConfig({})));
        const auto model = openModel(folder_ / "model");
        QS_VERIFY_OK(model);
        const auto list = moduleImportance(*m, **model);
        QS_VERIFY_OK(list);
        QCOMPARE(list->size(), size_t(2)); // the small model has no experts
        QCOMPARE((*list)[0].module, std::string("layers.0.self_attn.q_proj"));
        QCOMPARE((*list)[0].tokens, 8.0);
        QCOMPARE((*list)[0].sum2[31], expectedSum(0, 0, 31));
        QCOMPARE((*list)[1].module, std::string("layers.0.mlp.down_proj"));
        QCOMPARE((*list)[1].sum2.size(), size_t(64));
        // Another width, and nothing in common.
        SmallModelShape wide;
        wide.hidden = 64;
        wide.intermediate = 128;
        QS_VERIFY_OK(writeSmallModel(folder_ / "wide", wide, smallConfig(wide)));
        const auto refused = moduleImportance(*m, **openModel(folder_ / "wide"));
        QVERIFY(!refused);
        QVERIFY2(refused.error().describe().find("blk.0.attn_q.weight") != std::string::npos,
                 refused.error().describe().c_str());
        Imatrix other = *m;
        other.entries.resize(1);
        other.entries[0].weight = "blk.9.attn_q.weight";
        QVERIFY(!moduleImportance(other, **model));
    }

    void expertsOfAModel() {
        const auto model = openCase("mixtral");
        const QuantTarget* gate = model->findTarget("layers.1.block_sparse_moe.experts.1.w1");
        QVERIFY(gate);
        const size_t experts = model->spec().blocks[1].mixture->experts.size();
        Imatrix m;
        m.entries.push_back({"blk.1.ffn_gate_exps.weight", gate->cols, {}, {}});
        for (size_t e = 0; e < experts; ++e) {
            m.entries[0].counts.push_back(float(e));
            m.entries[0].sum2.insert(m.entries[0].sum2.end(), gate->cols, float(100 + e));
        }
        const auto list = moduleImportance(m, *model);
        QS_VERIFY_OK(list);
        QCOMPARE(list->size(), experts);
        for (size_t e = 0; e < experts; ++e) {
            QCOMPARE((*list)[e].module, "layers.1.block_sparse_moe.experts." + std::to_string(e) + ".w1");
            QCOMPARE((*list)[e].tokens, double(e));
            QCOMPARE((*list)[e].sum2[3], double(100 + e));
        }
        // The older format joins them under one count.
        m.entries[0].channels *= experts;
        m.entries[0].counts = {7.0f};
        const auto joined = moduleImportance(m, *model);
        QS_VERIFY_OK(joined);
        QCOMPARE((*joined)[1].sum2[0], 101.0);
        QCOMPARE((*joined)[1].tokens, 7.0);
    }

    void writtenAndReadAgain() {
        const auto m = readImatrix(golden("imatrix.gguf"));
        QS_VERIFY_OK(m);
        QS_VERIFY_OK(writeImatrix(folder_ / "out.gguf", *m));
        const auto again = readImatrix(folder_ / "out.gguf");
        QS_VERIFY_OK(again);
        QCOMPARE(again->datasets, m->datasets);
        QCOMPARE(again->chunkSize, m->chunkSize);
        for (size_t i = 0; i < m->entries.size(); ++i) {
            QCOMPARE(again->entries[i].weight, m->entries[i].weight);
            QCOMPARE(again->entries[i].sum2, m->entries[i].sum2);
            QCOMPARE(again->entries[i].counts, m->entries[i].counts);
        }
    }

    /// Sums of squares of the recorded inputs, under llama.cpp's names.
    void fromACalibration() {
        QS_VERIFY_OK(writeSmallModel(folder_ / "model", {}, smallConfig({})));
        const auto model = openModel(folder_ / "model");
        QS_VERIFY_OK(model);
        TokenWindows tokens(2, 16);
        for (size_t i = 0; i < tokens.size(); ++i)
            tokens.data()[i] = int32_t((i * 7) % 50);
        const auto backend = makeCpuBackend();
        const auto calibration = calibrate(**model, tokens, {}, folder_ / "c.h5", *backend, {});
        QS_VERIFY_OK(calibration);
        const auto m = imatrixOf(**calibration, **model, {});
        QS_VERIFY_OK(m);
        QCOMPARE(m->entries.size(), (*model)->targets().size());
        QCOMPARE(m->chunks, 2u);
        QCOMPARE(m->chunkSize, 16u);
        for (const ImatrixEntry& e : m->entries)
            QCOMPARE(e.counts, std::vector<float>{32.0f});
        const auto list = moduleImportance(*m, **model);
        QS_VERIFY_OK(list);
        for (const ModuleImportance& i : *list) {
            const SiteRecord* site = (*calibration)->find((*model)->findTarget(i.module)->site);
            for (size_t c = 0; c < i.sum2.size(); ++c) { // mean square = variance + mean^2
                const double mean = site->stats.mean[c], deviation = site->stats.stddev[c];
                const double want = 32 * (mean * mean + deviation * deviation);
                QVERIFY2(std::abs(i.sum2[c] - want) <= 1e-4 * want, i.module.c_str());
            }
        }
    }

    void damagedFilesAreRefused() {
        const std::string gguf = bytesOf(golden("imatrix.gguf")), dat = bytesOf(golden("imatrix.dat"));
        for (const std::string& whole : {gguf, dat})
            for (size_t cut = 0; cut < whole.size(); cut += 7) {
                if (&whole == &dat || cut > 0) {
                    const QString why = refusal(whole.substr(0, cut));
                    // The older format may end after its entries, or after its chunks.
                    const bool optional =
                        whole.size() - cut <= (whole[0] == 'G' ? 24 : 13); // or in the padding
                    QVERIFY2(optional || why != "accepted", qPrintable(QString::number(cut)));
                }
            }
        QVERIFY(refusal(dat + "x").contains("more bytes"));
        std::string huge = dat;
        const int32_t count = std::numeric_limits<int32_t>::max();
        std::memcpy(huge.data(), &count, 4);
        QVERIFY(refusal(huge).contains("number of entries"));
        std::string negative = dat;
        negative[4 + 3] = char(0x80); // the first name's length
        QVERIFY(refusal(negative).contains("length"));
        GgufBuilder model;
        model.text("general.architecture", "llama").text("general.type", "model").floats("x", {1}, {1});
        QVERIFY(refusal(model.bytes()).contains("not an importance matrix"));
        const auto with = [](std::vector<float> sums, std::vector<float> counts,
                             const char* name = "w.counts") {
            GgufBuilder b;
            b.text("general.type", "imatrix");
            b.floats("w.in_sum2", {sums.size()}, sums);
            b.floats(name, {counts.size()}, counts);
            return b.bytes();
        };
        QVERIFY(refusal(with({1, 2}, {1})) == "accepted");
        QVERIFY(refusal(with({1, -2}, {1})).contains("-2"));
        QVERIFY(refusal(with({1, NAN}, {1})).contains("finite"));
        QVERIFY(refusal(with({1, 2, 3}, {1, 1})).contains("belong together"));
        QVERIFY(refusal(with({1, 2}, {1}, "v.counts")).contains("no counts"));
        // 256 values in 84 bytes: what is read is never more than the file holds.
        GgufBuilder small;
        small.text("general.type", "imatrix").tensor("w.in_sum2", {256}, 10, std::string(84, '\0'));
        small.floats("w.counts", {1}, {1});
        QVERIFY(refusal(small.bytes()).contains("w.in_sum2 must be F32, is Q2_K"));
        GgufBuilder half;
        half.text("general.type", "imatrix").floats("w.in_sum2", {2}, {1, 2});
        half.tensor("w.counts", {1}, 1, std::string(2, '\0'));
        QVERIFY(refusal(half.bytes()).contains("w.counts must be F32, is F16"));
        QVERIFY(refusal("").size() > 10);
    }
};

QS_TEST(ImatrixFiles)
#include "tst_imatrix.moc"
