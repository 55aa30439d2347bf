// SPDX-License-Identifier: Apache-2.0
// AWQ and SmoothQuant beside whole-model results of their original code (see the README of the reference
// data).
#include "core/base/npy.h"
#include "core/checkpoint/safetensors.h"
#include "core/evaluate/evaluate.h"
#include "core/run/run.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

class ReferenceTransforms : public QObject {
    Q_OBJECT
    static constexpr const char* kModel = "stories940K-char";
    struct Subject {
        std::shared_ptr<const Model> model;
        std::shared_ptr<const Calibration> calibration;
    };
    std::unique_ptr<Backend> m_backend;
    TokenWindows m_evaluationTokens;
    json m_table;
    Subject m_plain, m_outliers;

    static bool reads(const std::string& tensor) {
        for (const char* leaf : {"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"})
            if (tensor.find(leaf) != std::string::npos) return true;
        return false;
    }
    /// Norm gains times 50 at the channels 7, 100 and 201 (mod 128), the columns that read them divided by
    /// it.
    static void addOutliers(const TensorInfo& t, Matrix& m) {
        const bool norm = t.name.find("layernorm.weight") != std::string::npos;
        if (!norm && !reads(t.name)) return;
        for (size_t r = 0; r < m.rows(); ++r)
            for (const size_t c : {size_t(7), size_t(100), size_t(201 % 128)})
                m(r, c) *= norm ? 50.0f : 1.0f / 50.0f;
    }
    static Result<void> writeOutlierModel(const fs::path& from, const fs::path& to) {
        QS_TRY(const auto source, openCheckpoint(from));
        std::vector<SafetensorsItem> items;
        for (size_t i = 0; i < source->tensors().size(); ++i) {
            const TensorInfo& t = source->tensors()[i];
            items.push_back(
                {t.name, DType::F32, t.shape, [&source, &t, i](std::span<std::byte> out) -> Result<void> {
                     QS_TRY(Matrix m, source->readMatrix(i));
                     addOutliers(t, m);
                     std::memcpy(out.data(), m.data(), out.size());
                     return {};
                 }});
        }
        QS_CHECK(writeSafetensors(to / "model.safetensors", items, {}));
        fs::copy(from / "config.json", to / "config.json");
        return {};
    }
    Result<Subject> subject(const fs::path& folder, const char* name) {
        Subject s;
        QS_TRY(s.model, openModel(folder));
        QS_TRY(const auto tokens,
               windowsFromNpy(sharedDir() / "data/reference" / kModel / "calib_tokens.npy"));
        QS_TRY(s.calibration, calibrate(*s.model, tokens, {}, scratchDir(name) / "c.h5", *m_backend, {}));
        return s;
    }
    Result<double> nll(const Subject& s, const json& transforms, const json& scheme) {
        QS_TRY(const Evaluation e, measured(s, transforms, scheme, nullptr));
        return e.nll;
    }
    Result<Evaluation> measured(const Subject& s, const json& transforms, const json& scheme,
                                const WeightSource* original) {
        QS_TRY(const Recipe recipe, Recipe::fromJson({{"version", 1},
                                                      {"transforms", transforms},
                                                      {"rules", {{{"match", "*"}, {"scheme", scheme}}}}},
                                                     "test"));
        RunOptions options;
        options.directory = scratchDir("reference-run");
        QS_TRY(auto run, executePlan(*s.model, resolvePlan(recipe, *s.model), s.calibration.get(), options,
                                     *m_backend, {}));
        QS_TRY(auto weights, runWeights(run, s.model));
        return evaluate(s.model->spec(), *weights, original, m_evaluationTokens, {}, *m_backend, {});
    }
    double reference(const char* key) const { return m_table.at(key).at("nll").get<double>(); }

private slots:
    void initTestCase() {
        QS_NEED_SHARED(shared);
        m_backend = makeCpuBackend();
        const auto folder = shared / "data/reference" / kModel;
        m_table = json::parse(std::ifstream(folder / "table.json"));
        m_evaluationTokens = *windowsFromNpy(folder / "eval_tokens.npy");
        auto plain = subject(shared / "data/models" / kModel, "reference-plain");
        QS_VERIFY_OK(plain);
        m_plain = std::move(*plain);
        const auto made = scratchDir("outlier-model");
        QS_VERIFY_OK(writeOutlierModel(shared / "data/models" / kModel, made));
        auto outliers = subject(made, "reference-outliers");
        QS_VERIFY_OK(outliers);
        m_outliers = std::move(*outliers);
    }

    void smoothQuant() {
        const json scheme = {
            {"codec", "int"},
            {"codec_params", {{"bits", 8}, {"group", -1}, {"grid", "absmax"}, {"scale_dtype", "f32"}}},
            {"method", "rtn"},
            {"inputs", InputScheme::preset("int8")->toJson()}};
        const auto naive = nll(m_outliers, json::array(), scheme);
        QS_VERIFY_OK(naive);
        // The same rounding of weights and tokens by other code.
        const double expected = reference("outl W8A8 naive w-per_channel a-per_token");
        QVERIFY2(std::fabs(*naive - expected) <= 2e-3, qPrintable(QString::number(*naive, 'g', 8)));
        for (const auto& [alpha, key] : {std::pair(0.5, "outl W8A8 sq0.5 w-per_channel a-per_token"),
                                         {0.8, "outl W8A8 sq0.8 w-per_channel a-per_token"}}) {
            const auto smooth = nll(m_outliers, {{{"id", "smoothquant"}, {"alpha", alpha}}}, scheme);
            QS_VERIFY_OK(smooth);
            QVERIFY2(*smooth <= reference(key) + 1e-3,
                     qPrintable(QString("%1: %2").arg(key).arg(*smooth, 0, 'g', 8)));
        }
    }

    void awq_data() {
        QTest::addColumn<int>("bits");
        QTest::addColumn<QString>("method");
        QTest::addColumn<QString>("key");
        QTest::newRow("W4") << 4 << "rtn"
                            << "awq W4 g32 noclip";
        QTest::newRow("W3") << 3 << "rtn"
                            << "awq W3 g32 noclip";
        QTest::newRow("W4 clipped") << 4 << "awq_clip"
                                    << "awq W4 g32";
        QTest::newRow("W3 clipped") << 3 << "awq_clip"
                                    << "awq W3 g32";
    }
    void awq() {
        QFETCH(int, bits);
        QFETCH(QString, method);
        QFETCH(QString, key);
        const json scheme = {
            {"codec", "int"},
            {"codec_params", {{"bits", bits}, {"group", 32}, {"grid", "minmax"}, {"scale_dtype", "f32"}}},
            {"method", method.toStdString()}};
        const auto scaled = nll(m_plain, {{{"id", "awq"}}}, scheme);
        QS_VERIFY_OK(scaled);
        qInfo("%s: %.6f, reference %.6f", qPrintable(key), *scaled, reference(qPrintable(key)));
        QVERIFY2(*scaled <= reference(qPrintable(key)) + 0.01, qPrintable(QString::number(*scaled, 'g', 8)));
    }

    /// With outlier channels, rounded inputs and 4 or 8 bits: nearly all of what rounding alone loses is won
    /// back.
    void outlierChannels_data() {
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("group");
        QTest::newRow("W8A8") << 8 << -1;
        QTest::newRow("W4A8") << 4 << 32;
    }
    void outlierChannels() {
        QFETCH(int, bits);
        QFETCH(int, group);
        const auto original = modelWeights(*m_outliers.model);
        const auto run = [&](const json& transforms) {
            const json scheme = {{"codec", "int"},
                                 {"codec_params", {{"bits", bits}, {"group", group}, {"scale_dtype", "f32"}}},
                                 {"inputs", InputScheme::preset("int8")->toJson()}};
            auto e = measured(m_outliers, transforms, scheme, original.get());
            if (!e) qFatal("%s", e.error().describe().c_str());
            qInfo("%s: NLL %.4f, KL %.4f", transforms.dump().c_str(), e->nll, e->kl);
            return std::move(*e);
        };
        const Evaluation plain = run(json::array()), smooth = run({{{"id", "smoothquant"}}});
        for (const json& transform :
             {json{{"id", "outlier_suppression_plus"}}, json{{"id", "percentile_smooth"}, {"percent", 2.5}},
              json{{"id", "aqas"}}}) {
            const Evaluation e = run(json::array({transform}));
            QVERIFY(e.nll - e.referenceNll <= 0.15 * (plain.nll - plain.referenceNll));
            // And no choice falls far behind the fixed strength.
            QVERIFY(e.kl <= 1.5 * smooth.kl);
        }
    }
    void zfold() {
        const json scheme = {{"codec", "int"},
                             {"codec_params", {{"bits", 3}, {"group", -1}, {"scale_dtype", "f32"}}}};
        const auto plain = nll(m_plain, json::array(), scheme),
                   folded = nll(m_plain, {{{"id", "zfold"}}}, scheme);
        QS_VERIFY_OK(plain);
        QS_VERIFY_OK(folded);
        qInfo("%.4f, plain %.4f", *folded, *plain);
        QVERIFY(*folded < *plain);
    }
};

QS_TEST(ReferenceTransforms)
#include "tst_reference_transforms.moc"
