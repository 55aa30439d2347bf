// SPDX-License-Identifier: GPL-3.0-or-later
// The list of jobs, and what quitting does to them.
#include "app/jobs/JobsModel.h"
#include "tests/gui/JobSteps.h"
#include "tests/support/qs_test.h"
#include "widgets/theme/Theme.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>

using namespace qs;
using namespace qs::app;
using namespace qs::test;

class TstJobs : public QObject {
    Q_OBJECT

    BackendLog m_log;
    std::unique_ptr<EngineThread> m_engine;

private slots:
    void init() { m_engine = makeEngine(m_log); }
    void cleanup() { m_engine.reset(); }

    void shutdownInTime() {
        Steps steps;
        LightPool pool(1);
        m_engine->post({"", "Quantize"}, steps.body(1));
        QVERIFY(steps.started.tryAcquire(1, 5000));
        Shutdown shutdown({m_engine.get(), &pool});
        QSignalSpy finished(&shutdown, &Shutdown::finished);
        QCOMPARE(shutdown.waitingFor(), QString("Quantize"));
        shutdown.begin();
        QCOMPARE(finished.size(), 0); // never inside begin()
        QVERIFY(finished.wait(3000));
        QCOMPARE(finished.at(0).at(0).toBool(), true);
        QCOMPARE(shutdown.waitingFor(), QString());
    }

    /// A job that has not begun ends inside begin(); who asked must have left its event handler first.
    void shutdownFinishesLater() {
        QSemaphore mayStart;
        EngineThread engine([&]() -> Result<std::unique_ptr<Backend>> {
            mayStart.acquire();
            return std::unique_ptr<Backend>(new FakeBackend(&m_log));
        });
        JobHandle* waiting = engine.post({"", "Waits"}, quick(1));
        Shutdown shutdown({&engine});
        QSignalSpy finished(&shutdown, &Shutdown::finished);
        shutdown.begin();
        QCOMPARE(waiting->state(), JobState::Cancelled);
        QCOMPARE(finished.size(), 0);
        QVERIFY(finished.wait(5000));
        QCOMPARE(finished.at(0).at(0).toBool(), true);
        mayStart.release();
    }

    void closedLanesTakeNoWork() {
        Steps steps, later;
        m_engine->post({"", "Quantize"}, steps.body(1));
        QVERIFY(steps.started.tryAcquire(1, 5000));
        m_engine->close();
        QStringList seen;
        QObject context;
        connect(m_engine.get(), &JobLane::jobPosted, &context, [&] { seen << "posted"; });
        connect(m_engine.get(), &JobLane::jobEnded, &context,
                [&](JobHandle* job) { seen << (job->title() == "Late" ? "late ended" : "ended"); });
        JobHandle* late = m_engine->post({"", "Late"}, later.body(1));
        QCOMPARE(late->state(), JobState::Cancelled);
        QCOMPARE(seen, (QStringList{"posted", "late ended"}));
        bool told = false;
        late->then(&context, [&](const Outcome& outcome) { told = outcome.isCancelled(); });
        QTRY_COMPARE(m_engine->activeCount(), 0);
        QTRY_VERIFY(told);
        QVERIFY(!later.started.tryAcquire(1, 50));
    }

    void essentialJobsAreWaitedFor() {
        LightPool pool(1);
        Steps steps, save;
        pool.post({"", "Scan"}, steps.body(1));
        QVERIFY(steps.started.tryAcquire(1, 5000));
        JobRequest request{"", "Save recipe"};
        request.essential = true;
        JobHandle* saving = pool.post(request, save.body(1)); // not begun yet
        save.go.release();
        Shutdown shutdown({&pool});
        QSignalSpy finished(&shutdown, &Shutdown::finished);
        shutdown.begin();
        QVERIFY(finished.wait(5000));
        QCOMPARE(finished.at(0).at(0).toBool(), true);
        QCOMPARE(saving->state(), JobState::Done);
    }

    void shutdownGivesUpOnADeafJob() {
        Steps steps;
        steps.deaf = true;
        m_engine->post({"", "Deaf"}, steps.body(1));
        QVERIFY(steps.started.tryAcquire(1, 5000));
        Shutdown shutdown({m_engine.get()}, 200);
        QSignalSpy finished(&shutdown, &Shutdown::finished);
        shutdown.begin();
        QVERIFY(finished.wait(3000));
        QCOMPARE(finished.at(0).at(0).toBool(), false);
        QCOMPARE(shutdown.waitingFor(), QString("Deaf"));
        steps.go.release();
        QTRY_COMPARE(m_engine->activeCount(), 0);
        QCOMPARE(finished.size(), 1);
    }

    void jobsModelShowsStates() {
        LightPool pool(1);
        JobsModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.addLane(m_engine.get());
        model.addLane(&pool);
        Steps steps;
        auto* failing = m_engine->post({"", "Fails"}, [](const JobScope&) -> Outcome {
            return Error::invalid("row length 100 is not a multiple of 64", "layers.0.mlp.down_proj");
        });
        QVERIFY(waitEnded(failing));
        auto* running = m_engine->post({"", "Runs"}, steps.body(1));
        pool.post({"", "peek", false}, quick(1)); // unlisted
        QCOMPARE(model.rowCount(), 2);
        QCOMPARE(model.job(0), running); // newest first
        const QModelIndex failed = model.index(1, JobsModel::Title);
        QCOMPARE(failed.data(Qt::ForegroundRole).value<QColor>(), ui::theme().error);
        QCOMPARE(model.index(1, JobsModel::Message).data().toString(),
                 QString("layers.0.mlp.down_proj: row length 100 is not a multiple of 64"));
        QVERIFY(failed.data(JobsModel::ReportRole).toString().contains("row length 100"));
        QCOMPARE(failed.data(JobsModel::CancellableRole).toBool(), false);
        QVERIFY(steps.started.tryAcquire(1, 5000));
        QTRY_COMPARE(model.index(0, JobsModel::State).data().toString(), QString("Running"));
        QCOMPARE(model.index(0, 0).data(JobsModel::CancellableRole).toBool(), true);
        QCOMPARE(model.index(0, 0).data(JobsModel::FractionRole).toDouble(), -1.0); // it has not said
        running->cancel();
        QVERIFY(waitEnded(running));
        QCOMPARE(model.index(0, 0).data(Qt::ForegroundRole).value<QColor>(),
                 ui::theme().text3); // grey, not red
        m_engine->forgetEnded();
        QTRY_COMPARE(model.rowCount(), 0);
    }

    void durations() {
        QCOMPARE(durationText(-1), QString());
        QCOMPARE(durationText(qQNaN()), QString());
        QCOMPARE(durationText(12.4), QString("12 s"));
        QCOMPARE(durationText(150), QString("3 min")); // 2.5 rounds away from zero
        QCOMPARE(durationText(7200), QString("2.0 h"));
    }
};

QS_TEST(TstJobs)
#include "tst_jobs.moc"
