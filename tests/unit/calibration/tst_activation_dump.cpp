// SPDX-License-Identifier: Apache-2.0
// A recorded dump in place of a calibration text: what it holds by hand arithmetic, and what is refused.
#include "core/calibrate/activation_dump.h"
#include "core/hdf5/h5_file.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>
#include <limits>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

/// x[t, c] of tokens 0 .. n - 1: small integers, exact in every type.
float value(size_t t, size_t c) {
    return float(int((t * 7 + c * 3 + t * c) % 11) - 5);
}

std::vector<float> rows(size_t tokens, size_t channels) {
    std::vector<float> x(tokens * channels);
    for (size_t t = 0; t < tokens; ++t)
        for (size_t c = 0; c < channels; ++c)
            x[t * channels + c] = value(t, c);
    return x;
}

struct Array {
    std::string path;
    std::vector<float> values;
    H5Shape shape;
};

Result<std::shared_ptr<const ActivationDump>> dumpOf(const fs::path& path, const std::vector<Array>& arrays,
                                                     const std::string& mapping = {}) {
    QS_TRY(auto w, H5Writer::begin(path));
    for (const Array& a : arrays)
        QS_CHECK(w->array<float>(a.path, a.values, a.shape, H5Filter::Compress));
    QS_CHECK(w->commit());
    H5Mapping map;
    if (!mapping.empty()) {
        QS_TRY(map, parseH5Mapping(mapping, "map.json"));
    }
    QS_TRY(auto file, MappedHdf5::open(path, &map));
    return ActivationDump::open(std::move(file));
}

std::shared_ptr<const Model> smallModel(const fs::path& dir) {
    const SmallModelShape shape;
    if (!writeSmallModel(dir / "model", shape, smallConfig(shape))) return nullptr;
    const auto model = openModel(dir / "model");
    return model ? *model : nullptr;
}

Result<DumpCalibration> calibrateWith(const ActivationDump& dump, const Model& model, const fs::path& file) {
    const auto backend = makeCpuBackend(1);
    return calibrateFromActivations(dump, model, {}, file, *backend, {});
}

} // namespace

class ActivationDumpTest : public QObject {
    Q_OBJECT
private slots:
    void statisticsAndSigma() {
        const fs::path dir = scratchDir("dump");
        const auto model = smallModel(dir);
        QVERIFY(model);
        // hidden 32, intermediate 64; [2, 50, 32] flattens to 100 tokens; 3000 tokens are more than one
        // block.
        const std::vector<Array> arrays = {
            {"/activations/layers.0.self_attn.k_proj", rows(100, 32), {2, 50, 32}},
            {"/activations/model.layers.0.mlp.down_proj", rows(20000, 64), {20000, 64}},
            {"/activations/layers.1.attn", rows(3, 32), {3, 32}},
            {"/activations/something.else", rows(3, 5), {3, 5}},
        };
        const auto dump = dumpOf(dir / "dump.h5", arrays);
        QS_VERIFY_OK(dump);
        QCOMPARE((*dump)->arrays().size(), size_t(4));
        const auto made = calibrateWith(**dump, *model, dir / "c.h5");
        QS_VERIFY_OK(made);
        const Calibration& c = *made->calibration;
        QCOMPARE(c.sites().size(), size_t(3));
        QCOMPARE(c.tokens().size(), size_t(0));
        QCOMPARE(made->unused, std::vector<std::string>{"something.else"});
        QCOMPARE(made->missingSites.size(), size_t(8 - 3));
        QS_VERIFY_OK(c.requireFor(*model));
        const std::tuple<const char*, size_t, size_t> sites[] = {
            {"layers.0.attn", 100, 32}, {"layers.0.mlp.down", 20000, 64}, {"layers.1.attn", 3, 32}};
        for (const auto& [given, tokens, channels] : sites) {
            const QuantTarget* down = model->findTarget("layers.0.mlp.down_proj");
            const std::string site = std::string(given) == "layers.0.mlp.down" ? down->site : given;
            const SiteRecord* r = c.find(site);
            QVERIFY2(r, site.c_str());
            QCOMPARE(r->tokens, uint64_t(tokens));
            QCOMPARE(r->channels, channels);
            QCOMPARE(r->sample.rows(), std::min<size_t>(tokens, 64));
            const auto sigma = c.sigma(site);
            QS_VERIFY_OK(sigma);
            for (size_t a = 0; a < channels; a += 5)
                for (size_t b = 0; b < channels; b += 3) {
                    double sum = 0, peak = 0;
                    for (size_t t = 0; t < tokens; ++t) {
                        sum += double(value(t, a)) * value(t, b);
                        peak = std::max(peak, std::abs(double(value(t, a))));
                    }
                    // Integers below 2^24: every sum is exact.
                    QVERIFY2((*sigma)(a, b) == sum,
                             qPrintable(QString("%1, expected %2").arg((*sigma)(a, b)).arg(sum)));
                    QCOMPARE(double(r->stats.absmax[a]), peak);
                }
            QCOMPARE(r->sample(r->sample.rows() - 1, 4), value(r->sample.rows() - 1, 4));
        }
    }

    void measuredAlone() {
        const fs::path dir = scratchDir("dump-alone");
        std::vector<float> x = rows(70, 4);
        x[5] = std::numeric_limits<float>::quiet_NaN();
        x[9] = std::numeric_limits<float>::infinity();
        const auto dump = dumpOf(dir / "dump.h5", {{"/acts/one", x, {7, 10, 4}}});
        QS_VERIFY_OK(dump);
        QCOMPARE((*dump)->arrays()[0].name, std::string("one"));
        QCOMPARE((*dump)->arrays()[0].tokens, uint64_t(70));
        const auto stats = (*dump)->measure(0, {});
        QS_VERIFY_OK(stats);
        QCOMPARE(stats->notFinite, uint64_t(2));
        QCOMPARE(stats->record.channels, size_t(4));
        QCOMPARE(stats->record.sample.rows(), size_t(64));
        float peak = 0; // channel 0 has no broken value
        for (size_t t = 0; t < 70; ++t)
            peak = std::max(peak, std::abs(value(t, 0)));
        QCOMPARE(stats->record.stats.absmax[0], peak);
        std::stop_source stop;
        stop.request_stop();
        QVERIFY((*dump)->measure(0, JobContext(stop.get_token())).isCancelled());
    }

    void names() {
        const fs::path dir = scratchDir("dump-names");
        const auto model = smallModel(dir);
        QVERIFY(model);
        // No raw string: moc takes what is in one for a comment.
        const std::string mapping = "{\"rules\": [{\"pattern\": \"**/qkv\", \"role\": \"activation\", "
                                    "\"module\": \"layers.1.attn\"}]}";
        const auto dump = dumpOf(dir / "dump.h5", {{"/h/3/qkv", rows(8, 32), {8, 32}}}, mapping);
        QS_VERIFY_OK(dump);
        const auto made = calibrateWith(**dump, *model, dir / "c.h5");
        QS_VERIFY_OK(made);
        QCOMPARE(made->calibration->sites()[0].site, std::string("layers.1.attn"));
    }

    void refused() {
        const fs::path dir = scratchDir("dump-refused");
        const auto model = smallModel(dir);
        QVERIFY(model);
        std::vector<float> broken = rows(8, 32);
        broken[40] = std::numeric_limits<float>::infinity();
        const std::tuple<const char*, Array, const char*> cases[] = {
            {"channels", {"/activations/layers.0.attn", rows(8, 31), {8, 31}}, "31 channels"},
            {"no match", {"/activations/layers.9.attn", rows(8, 32), {8, 32}}, "none of the 1 activations"},
            {"not finite",
             {"/activations/layers.0.attn", broken, {8, 32}},
             "1 of 256 values are NaN or infinite"},
        };
        for (const auto& [name, array, mention] : cases) {
            const auto dump = dumpOf(dir / "dump.h5", {array});
            QS_VERIFY_OK(dump);
            const auto made = calibrateWith(**dump, *model, dir / "c.h5");
            QVERIFY2(!made, name);
            const QString message = QString::fromStdString(made.error().describe());
            QVERIFY2(message.contains(mention) && message.contains("dump.h5"), qPrintable(message));
            QVERIFY(!fs::exists(dir / "c.h5"));
        }
        const auto none = dumpOf(dir / "dump.h5", {{"/layers.0/weight", rows(8, 32), {8, 32}}});
        QVERIFY(!none && none.error().code == ErrorCode::NotFound);
    }

    /// Another dump, another fingerprint; the same, the same.
    void fingerprints() {
        const fs::path dir = scratchDir("dump-prints");
        const auto model = smallModel(dir);
        QVERIFY(model);
        std::vector<std::string> prints;
        for (const size_t tokens : {size_t(8), size_t(8), size_t(9)}) {
            const auto dump =
                dumpOf(dir / "dump.h5", {{"/activations/layers.0.attn", rows(tokens, 32), {tokens, 32}}});
            QS_VERIFY_OK(dump);
            const auto made = calibrateWith(**dump, *model, dir / "c.h5");
            QS_VERIFY_OK(made);
            const auto again = Calibration::open(dir / "c.h5");
            QS_VERIFY_OK(again);
            QCOMPARE((*again)->info().activations, made->calibration->info().activations);
            QCOMPARE((*again)->info().activations.size(), size_t(64));
            prints.push_back((*again)->info().fingerprint);
        }
        QCOMPARE(prints[0], prints[1]);
        QVERIFY(prints[0] != prints[2]);
    }
};

QS_TEST(ActivationDumpTest)
#include "tst_activation_dump.moc"
