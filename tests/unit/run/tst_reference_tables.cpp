// SPDX-License-Identifier: Apache-2.0
// Whole-model results beside those of the methods' original code (see the README of the reference data for
// protocol and tolerances).
#include "core/base/npy.h"
#include "core/evaluate/evaluate.h"
#include "core/run/run.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

class ReferenceTables : public QObject {
    Q_OBJECT
    struct Fixture {
        std::shared_ptr<const Model> model;
        TokenWindows calibrationTokens, evaluationTokens;
        std::shared_ptr<const Calibration> calibration;
        json table;
    };
    std::map<std::string, Fixture> m_models;
    std::unique_ptr<Backend> m_backend;

    Result<const Fixture*> fixture(const std::string& name) {
        if (const auto it = m_models.find(name); it != m_models.end()) return &it->second;
        const auto shared = sharedDir();
        const auto reference = shared / "data/reference" / name;
        Fixture f;
        QS_TRY(f.model, openModel(shared / "data/models" / name));
        QS_TRY(f.calibrationTokens, windowsFromNpy(reference / "calib_tokens.npy"));
        QS_TRY(f.evaluationTokens, windowsFromNpy(reference / "eval_tokens.npy"));
        QS_TRY(f.calibration,
               calibrate(*f.model, f.calibrationTokens, {},
                         scratchDir(("calibration-" + name).c_str()) / "c.h5", *m_backend, {}));
        f.table = json::parse(std::ifstream(reference / "table.json"));
        return &(m_models[name] = std::move(f));
    }
    Result<Evaluation> quantizeAndEvaluate(const Fixture& f, const Scheme& scheme,
                                           std::shared_ptr<const Run>* out = nullptr) {
        static int count = 0;
        RunOptions options;
        options.directory = scratchDir(("run-" + std::to_string(count++)).c_str());
        QS_TRY(auto run, executePlan(*f.model, resolvePlan(Recipe::uniform(scheme), *f.model),
                                     f.calibration.get(), options, *m_backend, {}));
        QS_TRY(auto weights, runWeights(run, f.model));
        if (out) *out = run;
        return evaluate(f.model->spec(), *weights, nullptr, f.evaluationTokens, {}, *m_backend, {});
    }
    static Scheme scheme(const char* method, int bits, int group, const char* grid,
                         const json& params = json::object(), const char* type = "f32") {
        auto s = Scheme::fromJson(
            {{"codec", "int"},
             {"codec_params", {{"bits", bits}, {"group", group}, {"grid", grid}, {"scale_dtype", type}}},
             {"method", method},
             {"method_params", params}},
            "test");
        if (!s) qFatal("%s", s.error().describe().c_str());
        return *s;
    }
    static QString groupName(int group) { return group < 0 ? "pc" : QString("g%1").arg(group); }

private slots:
    void initTestCase() { m_backend = makeCpuBackend(); }
    void floatModel_data() {
        QTest::addColumn<QString>("model");
        QTest::newRow("stories940K-char") << "stories940K-char";
        QTest::newRow("prose-6m") << "prose-6m";
    }
    void floatModel() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, model);
        const auto f = fixture(model.toStdString());
        QS_VERIFY_OK(f);
        const auto e = evaluate((*f)->model->spec(), *modelWeights(*(*f)->model), nullptr,
                                (*f)->evaluationTokens, {}, *m_backend, {});
        QS_VERIFY_OK(e);
        const double expected = (*f)->table.at("fp32").at("nll").get<double>();
        QVERIFY2(std::fabs(e->nll - expected) <= 1e-4 * expected,
                 qPrintable(QString::number(e->nll, 'g', 9)));
    }
    void rtn_data() {
        QTest::addColumn<QString>("model");
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("group");
        QTest::addColumn<QString>("grid");
        QTest::addColumn<QString>("range");
        for (int bits : {8, 4, 3, 2})
            for (int group : {-1, 32, 16})
                for (const char* grid : {"asymmetric", "symmetric", "absmax", "minmax"})
                    QTest::addRow("char W%d %d %s", bits, group, grid)
                        << "stories940K-char" << bits << group << grid << "minmax";
        for (int bits : {4, 3, 2}) {
            QTest::addRow("char W%d pc mse", bits) << "stories940K-char" << bits << -1 << "asymmetric"
                                                   << "mse";
            QTest::addRow("char W%d g32 mse", bits) << "stories940K-char" << bits << 32 << "asymmetric"
                                                    << "mse";
            QTest::addRow("prose W%d g128", bits) << "prose-6m" << bits << 128 << "asymmetric"
                                                  << "minmax";
        }
    }
    void rtn() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, model);
        QFETCH(int, bits);
        QFETCH(int, group);
        QFETCH(QString, grid);
        QFETCH(QString, range);
        const auto f = fixture(model.toStdString());
        QS_VERIFY_OK(f);
        const char* suffix = range == "mse"         ? "asym-mse"
                             : grid == "asymmetric" ? "asym"
                             : grid == "symmetric"  ? "sym"
                             : grid == "absmax"     ? "absmax"
                                                    : "asym-awqfn";
        const QString key = QString("rtn W%1 %2 %3").arg(bits).arg(groupName(group)).arg(suffix);
        QVERIFY2((*f)->table.contains(key.toStdString()), qPrintable(key));
        std::shared_ptr<const Run> run;
        const auto e = quantizeAndEvaluate(
            **f, scheme("rtn", bits, group, qPrintable(grid), {{"range", range.toStdString()}}), &run);
        QS_VERIFY_OK(e);
        const double expected = (*f)->table.at(key.toStdString()).at("nll").get<double>();
        // The mse search compares sums that can tie to the last digit, so its choices may differ on a few
        // rows.
        // The original symmetric grid halves the range of a group without negative weights and clips half of
        // it; ours does not. Groups of 16 hold a few of those, and there we must be at least as good.
        const bool quirk = grid == "symmetric" && group == 16;
        const double tolerance = quirk ? 1e-2 : range == "mse" ? 2e-3 : 5e-5;
        if (quirk) QVERIFY(e->nll <= expected + 5e-5);
        QVERIFY2(std::fabs(e->nll - expected) <= tolerance,
                 qPrintable(QString("%1: %2, reference %3").arg(key).arg(e->nll, 0, 'g', 8).arg(expected)));
        for (const auto& [module, error] : (*f)->table.at(key.toStdString()).at("rel_err").items()) {
            const TensorResult* r = run->result(module);
            QVERIFY2(r, module.c_str());
            const double difference = r->error.output - error.get<double>();
            QVERIFY2((quirk ? difference : std::fabs(difference)) <= 0.02 * error.get<double>(),
                     qPrintable(QString("%1: %2, reference %3")
                                    .arg(QString::fromStdString(module))
                                    .arg(r->error.output)
                                    .arg(error.get<double>())));
        }
    }
    void gptq_data() {
        QTest::addColumn<QString>("model");
        QTest::addColumn<QString>("key");
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("group");
        QTest::addColumn<QString>("grid");
        QTest::addColumn<QString>("params");
        for (int bits : {4, 3, 2}) {
            for (const char* model : {"stories940K-char", "prose-6m"}) {
                QTest::addRow("%s W%d pc asym", model, bits)
                    << model << QString("gptq W%1 pc asym").arg(bits) << bits << -1 << "asymmetric"
                    << "{}";
                QTest::addRow("%s W%d g32 asym", model, bits)
                    << model << QString("gptq W%1 g32 asym bs32").arg(bits) << bits << 32 << "asymmetric"
                    << "{}";
                QTest::addRow("%s W%d g32 act static", model, bits)
                    << model << QString("gptq W%1 g32 asym act static").arg(bits) << bits << 32
                    << "asymmetric"
                    << R"({"act_order":true})";
            }
            QTest::addRow("char W%d pc sym", bits)
                << "stories940K-char" << QString("gptq W%1 pc sym").arg(bits) << bits << -1 << "symmetric"
                << "{}";
            QTest::addRow("char W%d pc mse", bits)
                << "stories940K-char" << QString("gptq W%1 pc asym mse").arg(bits) << bits << -1
                << "asymmetric"
                << R"({"range":"mse"})";
        }
    }
    void gptq() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, model);
        QFETCH(QString, key);
        QFETCH(int, bits);
        QFETCH(int, group);
        QFETCH(QString, grid);
        QFETCH(QString, params);
        const auto f = fixture(model.toStdString());
        QS_VERIFY_OK(f);
        const json& entry = (*f)->table.at(key.toStdString());
        std::shared_ptr<const Run> run;
        const auto e = quantizeAndEvaluate(
            **f, scheme("gptq", bits, group, qPrintable(grid), json::parse(params.toStdString())), &run);
        QS_VERIFY_OK(e);
        const double expected = entry.at("nll").get<double>(), slack = bits == 4   ? 0.003
                                                                       : bits == 3 ? 0.01
                                                                                   : 0.03;
        qInfo("%s: nll %.6f, reference %.6f", qPrintable(key), e->nll, expected);
        QVERIFY2(e->nll <= expected + slack,
                 qPrintable(QString("%1 above %2").arg(e->nll, 0, 'g', 8).arg(expected)));
        const QString rtnKey = QString("rtn W%1 %2 %3")
                                   .arg(bits)
                                   .arg(groupName(group))
                                   .arg(grid == "symmetric" ? "sym" : "asym");
        QVERIFY(e->nll <= (*f)->table.at(rtnKey.toStdString()).at("nll").get<double>());
        for (const auto& [module, error] : entry.at("rel_err").items()) {
            if (module.rfind("layers.0.", 0) != 0) continue;
            const double ours = run->result(module)->error.output, theirs = error.get<double>();
            QVERIFY2(ours <= 1.01 * theirs, qPrintable(QString("%1: %2, reference %3")
                                                           .arg(QString::fromStdString(module))
                                                           .arg(ours)
                                                           .arg(theirs)));
        }
    }
    void quip_data() {
        QTest::addColumn<int>("bits");
        for (int bits : {4, 3, 2})
            QTest::addRow("W%d", bits) << bits;
    }
    /// One scale a layer, as in the original code, which turns outputs too and clips at 2.4 root mean
    /// squares; ours turns inputs only and searches the range. Rotations are drawn: at most 0.01 above the
    /// mean of the original's three seeds.
    void quip() {
        QS_NEED_SHARED(shared);
        QFETCH(int, bits);
        const auto f = fixture("stories940K-char");
        QS_VERIFY_OK(f);
        double mean = 0;
        for (int seed = 0; seed < 3; ++seed) {
            const std::string key = fmt::format("quip W{} incoh seed{}", bits, seed);
            mean += (*f)->table.at(key).at("nll").get<double>() / 3;
        }
        std::shared_ptr<const Run> run;
        const auto e =
            quantizeAndEvaluate(**f, scheme("quip", bits, 0, "asymmetric", {{"range", "mse"}}), &run);
        QS_VERIFY_OK(e);
        qInfo("W%d: nll %.6f, reference %.6f", bits, e->nll, mean);
        QVERIFY(e->nll <= mean + 0.01);
    }
    void storedWeights_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("group");
        QTest::newRow("W3 pc") << "weights_gptq_W3_pc_asym.safetensors" << 3 << -1;
    }
    // Block 0 repeats to the digit: more than 99.9 % of its dequantized weights equal the original code's.
    void storedWeights() {
        QS_NEED_SHARED(shared);
        QFETCH(QString, file);
        QFETCH(int, bits);
        QFETCH(int, group);
        const auto f = fixture("stories940K-char");
        QS_VERIFY_OK(f);
        const auto stored = openCheckpoint(shared / "data/reference/stories940K-char" / file.toStdString());
        QS_VERIFY_OK(stored);
        std::shared_ptr<const Run> run;
        QS_VERIFY_OK(quantizeAndEvaluate(**f, scheme("gptq", bits, group, "asymmetric"), &run));
        size_t equal = 0, total = 0;
        for (const QuantTarget& t : (*f)->model->targets()) {
            if (t.block != 0) continue;
            size_t index = Checkpoint::npos;
            for (const std::string& name : {t.place.tensor, t.module + ".weight", t.module})
                if (index == Checkpoint::npos) index = (*stored)->find(name);
            QVERIFY2(index != Checkpoint::npos, t.place.tensor.c_str());
            const auto expected = (*stored)->readMatrix(index);
            QS_VERIFY_OK(expected);
            const auto q = run->tensor(t.module);
            QS_VERIFY_OK(q);
            const Matrix got = (*codecOf(*q))->dequantize(*q);
            // Half a step of the tensor's smallest scale separates equal from different codes.
            for (size_t r = 0; r < got.rows(); ++r)
                for (size_t c = 0; c < got.cols(); ++c) {
                    const float step = q->scale(r, q->groupOf(c));
                    equal += std::fabs(got(r, c) - (*expected)(r, c)) <= 0.01f * step;
                    ++total;
                }
        }
        qInfo("%zu of %zu equal", equal, total);
        QVERIFY(double(equal) > 0.999 * double(total));
    }
};

QS_TEST(ReferenceTables)
#include "tst_reference_tables.moc"
