// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/JobLane.h"
#include "core/tensor/spare_memory.h"

namespace qs::app {

namespace {
constexpr int kEngineNiceness = 12;
}

/// Lives on the engine's thread, with the backend; its event queue is the job queue.
class EngineThread::Worker : public QObject {
public:
    /// Makes the backend; returns its description or the reason for none.
    QString start(const BackendFactory& factory) {
        yieldToWindow(kEngineNiceness);
        m_backend.reset(); // its memory is free before the next one's is taken
        m_error.reset();
        try {
            auto made = factory();
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
    std::unique_ptr<Backend> m_backend;
    std::optional<Error> m_error;
};

EngineThread::EngineThread(BackendFactory factory, QObject* parent) : JobLane(parent) {
    m_thread.setObjectName(QStringLiteral("engine"));
    m_worker = new Worker;
    m_worker->moveToThread(&m_thread);
    // The backend is freed on the thread that made it.
    connect(&m_thread, &QThread::finished, m_worker, &QObject::deleteLater);
    m_thread.start();
    useBackend(std::move(factory));
}

void EngineThread::useBackend(BackendFactory factory) {
    QMetaObject::invokeMethod(
        m_worker,
        [this, worker = m_worker, factory = std::move(factory)] {
            const QString text = worker->start(factory);
            QMetaObject::invokeMethod(
                this,
                [this, text] {
                    m_description = text;
                    emit backendReady(text);
                },
                Qt::QueuedConnection);
            readMemory(*worker);
        },
        Qt::QueuedConnection);
}

void EngineThread::readMemory(const Worker& worker) {
    const auto memory = worker.backend() ? worker.backend()->memory() : std::nullopt;
    QMetaObject::invokeMethod(
        this,
        [this, memory] {
            if (!memory && !m_memory) return; // nothing to say, as on processors
            m_memory = memory;
            emit memoryChanged();
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
            releaseSpareMatrices();
            readMemory(*worker);
        },
        Qt::QueuedConnection);
}

} // namespace qs::app
