// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/Autosave.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QUuid>
#include <algorithm>

namespace qs::app {

namespace {

const QString kSuffix = QStringLiteral(".quantoscope");

std::unique_ptr<QLockFile> lockOf(const QString& file) {
    auto lock = std::make_unique<QLockFile>(file + QStringLiteral(".lock"));
    lock->setStaleLockTime(0); // only the end of its process frees it, however long that lives
    return lock;
}

} // namespace

Autosave::Autosave(const QString& folder) : m_folder(folder) {
    if (!QDir().mkpath(folder)) return;
    m_file = folder + QLatin1Char('/') + QUuid::createUuid().toString(QUuid::WithoutBraces) + kSuffix;
    m_lock = lockOf(m_file);
    if (!m_lock->tryLock()) m_lock.reset();
    const QDateTime oldest = QDateTime::currentDateTime().addDays(-kKeptDays);
    for (const Left& l : left())
        if (l.saved < oldest) remove(l.file);
}

Autosave::~Autosave() {
    // Only a process that ends in the middle leaves it behind.
    discard();
}

QString Autosave::file() const {
    return m_lock ? m_file : QString();
}

void Autosave::discard() {
    if (m_lock) QFile::remove(m_file);
}

QVector<Autosave::Left> Autosave::left() const {
    QVector<Left> out;
    const QFileInfoList files =
        QDir(m_folder).entryInfoList({QLatin1Char('*') + kSuffix}, QDir::Files, QDir::Time);
    for (const QFileInfo& f : files)
        // Whoever holds the lock is alive and will write there again.
        if (f.absoluteFilePath() != QFileInfo(m_file).absoluteFilePath() &&
            lockOf(f.absoluteFilePath())->tryLock())
            out.push_back({f.absoluteFilePath(), f.lastModified()});
    return out;
}

void Autosave::remove(const QString& file) {
    QFile::remove(file);
}

} // namespace qs::app
