// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/evaluate.h"
#include "core/hdf5/h5_file.h"
#include "core/run/run.h"
#include "tests/support/killed_child.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <QElapsedTimer>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

class RunTest : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;
    std::shared_ptr<const Calibration> m_calibration;
    std::unique_ptr<Backend> m_backend;

    static Scheme scheme(const char* method, int bits = 4) {
        return *Scheme::fromJson(
            {{"codec", "int"}, {"codec_params", {{"bits", bits}, {"group", 16}}}, {"method", method}},
            "test");
    }
    Plan plan(const char* method, int bits = 4) const {
        return resolvePlan(Recipe::uniform(scheme(method, bits)), *m_model);
    }
    static TokenWindows tokens(int offset) {
        TokenWindows t(6, 24);
        for (size_t i = 0; i < t.size(); ++i)
            t.data()[i] = int32_t((i * 31 + i / 7 + size_t(offset)) % 50);
        return t;
    }
    static std::vector<uint8_t> allCodes(const Run& run) {
        std::vector<uint8_t> out;
        for (const std::string& m : run.modules()) {
            const auto q = run.tensor(m);
            if (!q) qFatal("%s", q.error().describe().c_str());
            out.insert(out.end(), q->codes.begin(), q->codes.end());
        }
        return out;
    }
private slots:
    void initTestCase() {
        const auto dir = scratchDir("run-model");
        SmallModelShape shape;
        shape.blocks = 4;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        m_model = *openModel(dir);
        m_backend = makeCpuBackend();
        auto c = calibrate(*m_model, tokens(0), {}, scratchDir("run-calibration") / "c.h5", *m_backend, {});
        QS_VERIFY_OK(c);
        m_calibration = *c;
    }
    void wholeRun() {
        RunOptions options;
        options.directory = scratchDir("run-whole");
        std::vector<int> units;
        options.unitFinished = [&](int u, const std::vector<TensorResult>& r) {
            units.push_back(u);
            QCOMPARE(r.size(), size_t(7));
        };
        const Plan p = plan("gptq");
        const auto run = executePlan(*m_model, p, m_calibration.get(), options, *m_backend, {});
        QS_VERIFY_OK(run);
        QVERIFY((*run)->complete());
        QCOMPARE(units, (std::vector<int>{0, 1, 2, 3}));
        QCOMPARE((*run)->results().size(), size_t(28));
        for (const PlanEntry& e : p.entries) {
            const TensorResult* r = (*run)->result(e.target.module);
            QVERIFY(r);
            QCOMPARE(r->bytes, e.bytesAfter);
            QCOMPARE(r->planned, r->done);
            QVERIFY(r->error.weight > 0 && r->error.output > 0 && r->error.output < 1);
            const auto q = (*run)->tensor(e.target.module);
            QS_VERIFY_OK(q);
            QCOMPARE(q->rows, e.target.rows);
            // The stored error is that of the stored codes.
            const Matrix w = *m_model->checkpoint().readMatrix(e.target.place.tensor),
                         v = (*codecOf(*q))->dequantize(*q);
            QCOMPARE(measureError(w.view(), v.view(), nullptr)->weight, r->error.weight);
        }
        const auto weights = runWeights(*run, m_model);
        QS_VERIFY_OK(weights);
        QS_VERIFY_OK(evaluate(m_model->spec(), **weights, modelWeights(*m_model).get(), tokens(5), {},
                              *m_backend, {}));
    }
    void resumedRunIsTheSame() {
        RunOptions whole;
        whole.directory = scratchDir("run-uninterrupted");
        const auto expected =
            executePlan(*m_model, plan("gptq", 3), m_calibration.get(), whole, *m_backend, {});
        QS_VERIFY_OK(expected);
        RunOptions options;
        options.directory = scratchDir("run-resumed");
        for (int stopAfter = 0; stopAfter < 3; ++stopAfter) { // three interruptions, each after one more unit
            std::stop_source stop;
            options.unitFinished = [&](int u, const std::vector<TensorResult>&) {
                if (u == stopAfter) stop.request_stop();
            };
            const auto r = executePlan(*m_model, plan("gptq", 3), m_calibration.get(), options, *m_backend,
                                       JobContext(stop.get_token()));
            QVERIFY(r.isCancelled());
            const auto partial = Run::open(options.directory);
            QS_VERIFY_OK(partial);
            QVERIFY(!(*partial)->complete());
            QCOMPARE((*partial)->unitsDone(), stopAfter + 1);
            QVERIFY(!runWeights(*partial, m_model));
        }
        options.unitFinished = {};
        const auto resumed =
            executePlan(*m_model, plan("gptq", 3), m_calibration.get(), options, *m_backend, {});
        QS_VERIFY_OK(resumed);
        QCOMPARE(allCodes(**resumed), allCodes(**expected));
    }
    // Killed while the second unit's file is being written.
    void killedRunIsResumedAndCleaned() {
        RunOptions options;
        options.directory = scratchDir("run-killed");
        const fs::path units = options.directory / "units";
        KilledChild child([&] {
            RunOptions own = options;
            own.unitFinished = [&](int, const std::vector<TensorResult>&) {
                static std::unique_ptr<H5Writer> writer = std::move(*H5Writer::begin(units / "0001.h5"));
                std::ofstream(own.directory / "journal.json.tmp1") << "{";
                ::raise(SIGKILL);
            };
            const auto backend = makeCpuBackend(1);
            (void)executePlan(*m_model, plan("rtn"), nullptr, own, *backend, {});
        });
        QVERIFY(child.killedItself());
        const auto count = [](const fs::path& folder) {
            return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
        };
        QCOMPARE(count(units), 2); // the first unit, and what is left of the second
        QVERIFY(fs::exists(units / "0000.h5"));
        const auto run = executePlan(*m_model, plan("rtn"), nullptr, options, *m_backend, {});
        QS_VERIFY_OK(run);
        QVERIFY((*run)->complete());
        QCOMPARE(count(units), 4);
        for (int u = 0; u < 4; ++u)
            QVERIFY(fs::exists(units / ("000" + std::to_string(u) + ".h5")));
        QCOMPARE(count(options.directory), 4); // units, run.json, journal.json, lock
    }
    void damagedUnitIsDoneAgain() {
        RunOptions options;
        options.directory = scratchDir("run-damaged");
        const auto first =
            executePlan(*m_model, plan("gptq", 2), m_calibration.get(), options, *m_backend, {});
        QS_VERIFY_OK(first);
        const std::vector<uint8_t> codes = allCodes(**first);
        fs::resize_file(options.directory / "units/0002.h5", 100);
        QVERIFY(!(*first)->tensor("layers.2.mlp.up_proj"));
        const auto again =
            executePlan(*m_model, plan("gptq", 2), m_calibration.get(), options, *m_backend, {});
        QS_VERIFY_OK(again);
        QCOMPARE(allCodes(**again), codes);
    }
    void anotherPlanIsRefused() {
        RunOptions options;
        options.directory = scratchDir("run-refused");
        QS_VERIFY_OK(executePlan(*m_model, plan("rtn"), nullptr, options, *m_backend, {}));
        const auto r = executePlan(*m_model, plan("rtn", 5), nullptr, options, *m_backend, {});
        QVERIFY(!r);
        QVERIFY(r.error().message.find("another plan") != std::string::npos);
        const auto c = executePlan(*m_model, plan("rtn"), m_calibration.get(), options, *m_backend, {});
        QVERIFY(!c);
        QVERIFY(c.error().message.find("another calibration") != std::string::npos);
        const auto broken = options.directory / "run.json";
        std::ofstream(broken) << "{";
        QVERIFY(!executePlan(*m_model, plan("rtn"), nullptr, options, *m_backend, {}));
        QVERIFY(!Run::open(options.directory));
    }
    void calibrationOfAnotherModelIsRefused() {
        const auto dir = scratchDir("run-other-model");
        SmallModelShape shape;
        shape.blocks = 4;
        shape.vocabulary = 51;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        const auto other = *openModel(dir);
        RunOptions options;
        options.directory = scratchDir("run-other");
        const auto r = executePlan(*other, resolvePlan(Recipe::uniform(scheme("gptq")), *other),
                                   m_calibration.get(), options, *m_backend, {});
        QVERIFY(!r);
        QVERIFY(r.error().message.find(m_calibration->info().modelFingerprint.substr(0, 8)) !=
                std::string::npos);
        QVERIFY(!fs::exists(options.directory / "run.json"));
        QVERIFY(!executePlan(*m_model, plan("gptq"), nullptr, options, *m_backend, {}));
    }
    void twoProcessesCannotShareAFolder() {
        RunOptions options;
        options.directory = scratchDir("run-locked");
        bool refused = false;
        options.unitFinished = [&](int, const std::vector<TensorResult>&) {
            RunOptions same;
            same.directory = options.directory;
            auto backend = makeCpuBackend(1);
            const auto r = executePlan(*m_model, plan("rtn"), nullptr, same, *backend, {});
            refused = !r && r.error().message.find("another process") != std::string::npos;
        };
        QS_VERIFY_OK(executePlan(*m_model, plan("rtn"), nullptr, options, *m_backend, {}));
        QVERIFY(refused);
    }
    void tensorLevelModel() {
        const auto dir = scratchDir("run-tensor-level");
        SmallModelShape shape;
        json config = smallConfig(shape);
        config["architectures"] = {"SomethingElse"};
        QS_VERIFY_OK(writeSmallModel(dir, shape, config));
        const auto model = *openModel(dir);
        QVERIFY(!model->hasForward());
        RunOptions options;
        options.directory = scratchDir("run-tensors");
        const auto run = executePlan(*model, resolvePlan(Recipe::uniform(scheme("rtn")), *model), nullptr,
                                     options, *m_backend, {});
        QS_VERIFY_OK(run);
        QCOMPARE((*run)->unitsTotal(), 14);
        QVERIFY((*run)->complete());
        const auto gptq = executePlan(*model, resolvePlan(Recipe::uniform(scheme("gptq")), *model), nullptr,
                                      options, *m_backend, {});
        QVERIFY(!gptq);
        QVERIFY2(gptq.error().message.find("SomethingElse") != std::string::npos,
                 gptq.error().message.c_str());
    }
    void cancelStopsSoon() {
        const auto dir = scratchDir("run-slow-model");
        SmallModelShape shape{.hidden = 512,
                              .intermediate = 1536,
                              .vocabulary = 64,
                              .heads = 8,
                              .kvHeads = 4,
                              .blocks = 6,
                              .context = 256};
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        const auto model = *openModel(dir);
        TokenWindows t(32, 256);
        for (size_t i = 0; i < t.size(); ++i)
            t.data()[i] = int32_t(i % 61);
        std::stop_source stop;
        QElapsedTimer sinceStop;
        std::jthread stopper([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            sinceStop.start();
            stop.request_stop();
        });
        const auto r = calibrate(*model, t, {}, scratchDir("run-cancel") / "c.h5", *m_backend,
                                 JobContext(stop.get_token()));
        stopper.join();
        if (!r) {
            QVERIFY(r.isCancelled());
            QVERIFY2(sinceStop.elapsed() < 2000, qPrintable(QString("%1 ms").arg(sinceStop.elapsed())));
        } else {
            qInfo("the machine finished before the stop");
        }
    }
};

QS_TEST(RunTest)
#include "tst_run.moc"
