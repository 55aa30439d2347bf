// SPDX-License-Identifier: GPL-3.0-or-later
// Jobs and threads, with bodies that the test steps by hand.
#include "tests/gui/JobSteps.h"
#include "tests/support/qs_test.h"

#include <QSignalSpy>

using namespace qs;
using namespace qs::app;
using namespace qs::test;

class TstEngine : public QObject {
    Q_OBJECT

    BackendLog m_log;
    std::unique_ptr<EngineThread> m_engine;
    QObject m_context;

private slots:
    void init() { m_engine = makeEngine(m_log); }
    void cleanup() { m_engine.reset(); }

    void resultArrivesOnTheWindowsThread() {
        QThread* ranOn = nullptr;
        QThread* heardOn = nullptr;
        Backend* backend = nullptr;
        std::shared_ptr<const std::string> value;
        auto* job = m_engine->post({"", "Add"}, [&](const JobScope& scope) -> Outcome {
            ranOn = QThread::currentThread();
            backend = &scope.backend();
            return Payload::of(std::string("seven"));
        });
        job->then(&m_context, [&](const Outcome& o) {
            heardOn = QThread::currentThread();
            value = o.as<std::string>();
            QVERIFY(!o.as<int>()); // another type is not handed out as this one
        });
        QVERIFY(!value); // never inside post() or then()
        QTRY_VERIFY(value);
        QCOMPARE(*value, std::string("seven"));
        QCOMPARE(heardOn, QThread::currentThread());
        QVERIFY(ranOn != QThread::currentThread());
        QCOMPARE(backend->id(), std::string("fake"));
        QCOMPARE(job->state(), JobState::Done);
        QVERIFY(job->started().isValid() && job->finished().isValid());
        QCOMPARE(m_engine->backendDescription(), QString("fake backend"));
    }

    // That memory ran short, for one; said with the job that it happened in.
    void whatTheBackendHasToSayStandsInTheReport() {
        m_log.notes = {"cuda:0 had no 12.0 MiB left"};
        const auto body = [](const JobScope&) -> Outcome { return Payload(); };
        auto* first = m_engine->post({"", "Short"}, body);
        QVERIFY(waitEnded(first));
        QCOMPARE(first->message(), QString("cuda:0 had no 12.0 MiB left"));
        QVERIFY(first->report().endsWith("Note: cuda:0 had no 12.0 MiB left"));
        // The body's own come first.
        m_log.notes = {"of the backend"};
        auto* both = m_engine->post({"", "Says something"}, [](const JobScope& scope) -> Outcome {
            scope.note("a file was damaged");
            return Payload();
        });
        QVERIFY(waitEnded(both));
        QCOMPARE(both->message(), QString("a file was damaged; of the backend"));
        auto* second = m_engine->post({"", "Enough"}, body);
        QVERIFY(waitEnded(second));
        QVERIFY(second->message().isEmpty());
        QVERIFY(!second->report().contains("Note:"));
    }

    void theDevicesMemoryIsReadAfterEachJob() {
        const auto body = [](const JobScope&) -> Outcome { return Payload(); };
        QVERIFY(waitEnded(m_engine->post({"", "No device"}, body)));
        QVERIFY(!m_engine->memory());
        m_log.memory = MemoryState{3, 4};
        QSignalSpy changed(m_engine.get(), &EngineThread::memoryChanged);
        QVERIFY(waitEnded(m_engine->post({"", "On a device"}, body)));
        QTRY_COMPARE(changed.count(), 1);
        QCOMPARE(m_engine->memory()->freeBytes, size_t(3));
        QCOMPARE(m_engine->memory()->totalBytes, size_t(4));
    }

    void backendLivesOnTheEngineThread() {
        m_engine.reset();
        BackendLog log;
        QThread* jobThread = nullptr;
        {
            const auto engine = makeEngine(log);
            for (int i = 0; i < 3; ++i) {
                auto* job = engine->post({"", "Where"}, [&](const JobScope&) -> Outcome {
                    jobThread = QThread::currentThread();
                    return Payload();
                });
                QVERIFY(waitEnded(job));
            }
            QCOMPARE(log.made.load(), 1);
            QVERIFY(!log.freedOn.load());
        }
        QVERIFY(jobThread);
        QCOMPARE(log.madeOn.load(), jobThread);
        QCOMPARE(log.freedOn.load(), jobThread);
    }

    void missingBackendFailsEveryJobWithItsReason() {
        EngineThread engine([]() -> Result<std::unique_ptr<Backend>> {
            return Error{ErrorCode::Backend, "no device 3; this machine has 1", "cuda:3"};
        });
        int runs = 0;
        for (int i = 0; i < 2; ++i) {
            auto* job = engine.post({"", "Try"}, [&](const JobScope&) -> Outcome {
                ++runs;
                return Payload();
            });
            QVERIFY(waitEnded(job));
            QCOMPARE(job->state(), JobState::Failed);
            QCOMPARE(job->message(), QString("cuda:3: no device 3; this machine has 1"));
        }
        QCOMPARE(runs, 0);
    }

    void exceptionsKeepTheirText() {
        auto* boom = m_engine->post({"", "Boom"},
                                    [](const JobScope&) -> Outcome { throw std::runtime_error("boom"); });
        auto* memory =
            m_engine->post({"", "Big"}, [](const JobScope&) -> Outcome { throw std::bad_alloc(); });
        auto* odd = m_engine->post({"", "Odd"}, [](const JobScope&) -> Outcome { throw 7; });
        auto* next = m_engine->post({"", "Next"}, quick(1));
        QVERIFY(waitEnded(next));
        QCOMPARE(boom->state(), JobState::Failed);
        QCOMPARE(boom->message(), QString("boom"));
        QVERIFY(boom->report().contains("boom") && boom->report().contains("Boom"));
        QCOMPARE(memory->outcome().error().code, ErrorCode::OutOfMemory);
        QCOMPARE(odd->state(), JobState::Failed);
        QCOMPARE(next->state(), JobState::Done);
    }

    void cancelAnswersAtOnceAndStops() {
        Steps steps;
        auto* job = m_engine->post({"", "Long"}, steps.body(1));
        bool cancelled = false;
        job->then(&m_context, [&](const Outcome& o) { cancelled = o.isCancelled() && !o.failed(); });
        QVERIFY(steps.started.tryAcquire(1, 5000));
        QTRY_COMPARE(job->state(), JobState::Running);
        QElapsedTimer clock;
        clock.start();
        job->cancel();
        QCOMPARE(job->state(), JobState::Cancelling); // in the same call
        QVERIFY(clock.elapsed() < 250);
        QVERIFY(waitEnded(job));
        QCOMPARE(job->state(), JobState::Cancelled);
        QTRY_VERIFY(cancelled);
    }

    void cancelledWhileQueuedNeverRuns() {
        Steps first, second;
        auto* running = m_engine->post({"", "First"}, first.body(1));
        auto* waiting = m_engine->post({"", "Second"}, second.body(2));
        QVERIFY(first.started.tryAcquire(1, 5000));
        QCOMPARE(waiting->state(), JobState::Queued);
        bool told = false;
        waiting->then(&m_context, [&](const Outcome& o) { told = o.isCancelled(); });
        waiting->cancel();
        QCOMPARE(waiting->state(), JobState::Cancelled);
        QVERIFY(!told); // a later turn of the event loop
        first.go.release();
        QVERIFY(waitEnded(running));
        QTRY_VERIFY(told);
        auto* last = m_engine->post({"", "Last"}, quick(3));
        QVERIFY(waitEnded(last));
        QCOMPARE(second.runs.load(), 0);
    }

    void resultThatBeatTheCancelIsKept() {
        Steps steps;
        steps.deaf = true;
        auto* job = m_engine->post({"", "Nearly done"}, steps.body(42));
        std::shared_ptr<const int> value;
        job->then(&m_context, [&](const Outcome& o) { value = o.as<int>(); });
        QVERIFY(steps.started.tryAcquire(1, 5000));
        QTRY_COMPARE(job->state(), JobState::Running);
        job->cancel();
        steps.go.release();
        QTRY_VERIFY(value);
        QCOMPARE(*value, 42);
        QCOMPARE(job->state(), JobState::Done);
    }

    void latestWinsAndOldResultsAreDropped() {
        Steps old, middle;
        old.deaf = true; // it finishes with a value although it was replaced
        QVector<int> delivered;
        int cancelled = 0;
        const auto hear = [&](const Outcome& o) {
            if (const auto v = o.as<int>()) delivered << *v;
            cancelled += o.isCancelled();
        };
        auto* first = m_engine->post({"preview", "Old"}, old.body(1));
        first->then(&m_context, hear);
        QVERIFY(old.started.tryAcquire(1, 5000));
        m_engine->post({"preview", "Middle"}, middle.body(2))->then(&m_context, hear);
        auto* other = m_engine->post({"other", "Other tag"}, quick(10));
        other->then(&m_context, hear);
        m_engine->post({"preview", "New"}, quick(3))->then(&m_context, hear);
        QTRY_VERIFY(old.sawStop);
        old.go.release();
        QTRY_COMPARE(delivered.size(), 2);
        QCOMPARE(delivered, (QVector<int>{10, 3}));
        QTRY_COMPARE(cancelled, 2);
        QCOMPARE(middle.runs.load(), 0);
        QCOMPARE(first->state(), JobState::Cancelled);
    }

    void deadContextIsNotCalled() {
        auto* context = new QObject;
        bool called = false;
        Steps steps;
        auto* job = m_engine->post({"", "Late"}, steps.body(1));
        job->then(context, [&](const Outcome&) { called = true; });
        job->onPartial(context, [&](const std::vector<Payload>&) { called = true; });
        delete context;
        steps.go.release();
        QVERIFY(waitEnded(job));
        QTest::qWait(50);
        QVERIFY(!called);
    }

    void thenAfterTheEndIsStillCalled() {
        auto* job = m_engine->post({"", "Quick"}, quick(5));
        QVERIFY(waitEnded(job));
        QTest::qWait(20);
        int value = 0;
        job->then(&m_context, [&](const Outcome& o) { value = *o.as<int>(); });
        QCOMPARE(value, 0);
        QTRY_COMPARE(value, 5);
    }

    void destroyingTheEngineStopsItsJobs() {
        Steps steps;
        m_engine->post({"", "Endless"}, steps.body(1));
        QVERIFY(steps.started.tryAcquire(1, 5000));
        QElapsedTimer clock;
        clock.start();
        m_engine.reset(); // joins
        QVERIFY(clock.elapsed() < 2000);
    }

    void progressIsThinnedAndTheLastOneArrives() {
        auto* job = m_engine->post({"", "Count"}, [](const JobScope& scope) -> Outcome {
            QElapsedTimer clock;
            clock.start();
            for (int i = 0; clock.elapsed() < 650; ++i)
                scope.job().report("Counting", 0.4, 1.0);
            scope.job().report("Almost", 0.75, 1.0);
            return Payload();
        });
        QSignalSpy changes(job, &JobHandle::changed);
        QVERIFY(waitEnded(job));
        // Started, ended, the last news and at most ten a second: a million reports must not be a million
        // events.
        QVERIFY2(changes.size() <= 12, qPrintable(QString::number(changes.size())));
        QVERIFY(changes.size() >= 4);
        QCOMPARE(QString::fromStdString(job->progress().phase), QString("Almost"));
        QCOMPARE(job->fraction(), 0.75);
    }

    void partialsComeInOrderBeforeTheEnd() {
        QVector<int> heard;
        int batches = 0;
        bool endAfterAll = false;
        auto* job = m_engine->post({"", "Stream"}, [](const JobScope& scope) -> Outcome {
            for (int i = 0; i < 500; ++i) {
                scope.publish(Payload::of(i));
                if (i % 100 == 0) QThread::msleep(60);
            }
            return Payload();
        });
        job->onPartial(&m_context, [&](const std::vector<Payload>& partials) {
            ++batches;
            for (const Payload& p : partials)
                heard << *p.as<int>();
        });
        job->then(&m_context, [&](const Outcome&) { endAfterAll = heard.size() == 500; });
        QTRY_VERIFY(endAfterAll);
        for (int i = 0; i < 500; ++i)
            QCOMPARE(heard[i], i);
        QVERIFY(batches >= 2 && batches <= 8);
    }

    void theWindowKeepsTurning() {
        Steps steps;
        auto* job = m_engine->post({"", "Busy"}, steps.body(1));
        int turns = 0;
        QTimer timer;
        connect(&timer, &QTimer::timeout, this, [&] { ++turns; });
        timer.start(5);
        QTRY_VERIFY(turns >= 20);
        QVERIFY(!job->isEnded());
        steps.go.release();
        QVERIFY(waitEnded(job));
    }

    void lightPoolRunsTwoAtOnceAndPeeksVanish() {
        LightPool pool(2);
        Steps a, b;
        QPointer<JobHandle> first = pool.post({"", "a", false}, a.body(1));
        QPointer<JobHandle> second = pool.post({"", "b", false}, b.body(2));
        QVERIFY(a.started.tryAcquire(1, 5000));
        QVERIFY(b.started.tryAcquire(1, 5000)); // while a still runs
        QCOMPARE(pool.activeCount(), 2);
        a.go.release();
        b.go.release();
        QTRY_VERIFY(!first && !second);
        QCOMPARE(pool.handles().size(), size_t(0));
    }

    void lightPoolTakesUrgentJobsFirst() {
        LightPool pool(1);
        Steps block;
        QVector<int> order;
        pool.post({"", "block"}, block.body(0));
        QVERIFY(block.started.tryAcquire(1, 5000));
        for (const int priority : {0, 5, 10})
            pool.post({"", "p", true, priority}, [&order, priority](const JobScope&) -> Outcome {
                order << priority; // one thread: no race
                return Payload();
            });
        block.go.release();
        QTRY_COMPARE(pool.activeCount(), 0);
        QCOMPARE(order, (QVector<int>{10, 5, 0}));
    }
};

QS_TEST(TstEngine)
#include "tst_engine.moc"
