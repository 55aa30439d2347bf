// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/JobLane.h"

namespace qs::app {

namespace {
constexpr int kEngineNiceness = 12;
}

/// Lives on the engine's thread, with the backend; its event queue is the job queue.
class EngineThread::Worker : public QObject {
public:
    explicit Worker(BackendFactory factory) : m_factory(std::move(factory)) {}

    /// Makes the backend; returns its description or the reason for none.
    QString start() {
        yieldToWindow(kEngineNiceness);
        try {
            auto made = m_factory();
            if (!made)
                m_error = made.takeError();
            else
                m_backend = std::move(made).value();
        } catch (const std::exception& e) {
            m_error = Error{ErrorCode::Backend, e.what(), "backend"};
        }
        return QString::fromStdString(m_backend ? m_backend->description() : m_error->describe());
    }
    Backend* backend() const { return m_backend.get(); }
    const Error* error() const { return m_error ? &*m_error : nullptr; }

private:
    BackendFactory m_factory;
    std::unique_ptr<Backend> m_backend;
    std::optional<Error> m_error;
};

EngineThread::EngineThread(BackendFactory factory, QObject* parent) : JobLane(parent) {
    m_thread.setObjectName(QStringLiteral("engine"));
    m_worker = new Worker(std::move(factory));
    m_worker->moveToThread(&m_thread);
    // The backend is freed on the thread that made it.
    connect(&m_thread, &QThread::finished, m_worker, &QObject::deleteLater);
    m_thread.start();
    QMetaObject::invokeMethod(
        m_worker,
        [this, worker = m_worker] {
            const QString text = worker->start();
            QMetaObject::invokeMethod(
                this,
                [this, text] {
                    m_description = text;
                    emit backendReady(text);
                },
                Qt::QueuedConnection);
        },
        Qt::QueuedConnection);
}

EngineThread::~EngineThread() {
    stopAll();
    m_thread.quit();
    m_thread.wait();
}

void EngineThread::enqueue(std::shared_ptr<JobRecord> record, int) {
    QMetaObject::invokeMethod(
        m_worker,
        [this, worker = m_worker, record = std::move(record)] {
            work(record, worker->backend(), worker->error());
        },
        Qt::QueuedConnection);
}

} // namespace qs::app
