//! Alone in its process, because it takes all descriptors that the process may have.

#![cfg(unix)]

use std::{fs::File, sync::Arc, time::Duration};

use hepcat_net::{
    Batch, Handler, ListenerId,
    listener::{Listener, ListenerConfig},
};
use hepcat_testkit::frame;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

struct Count(Semaphore);

impl Handler for Count {
    async fn handle(&self, batch: &mut Batch) {
        self.0.add_permits(batch.len());
        batch.clear();
    }
}

#[tokio::test]
async fn connections_that_cannot_be_accepted_wait_until_they_can() {
    let handler = Arc::new(Count(Semaphore::new(0)));
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    let config = ListenerConfig::tcp(ListenerId(1), "127.0.0.1:0".parse().unwrap());
    let bound = Listener::bind(config).unwrap();
    let addr = bound.local_addr();

    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, most).unwrap();
    // The agent has its descriptor; the connection of it that the listener accepts finds none left.
    let agent = tokio::net::TcpSocket::new_v4().unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let listener = bound.serve(Arc::clone(&handler), &tasks, stop.clone());
    let mut agent: TcpStream = agent.connect(addr).await.unwrap();
    agent.write_all(&frame::sip_v3("x")).await.unwrap();
    let want = async {
        while listener.stats().accept_errors.get("descriptors") < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), want)
        .await
        .unwrap();
    assert_eq!(listener.stats().connections_accepted, 0);

    drop(taken);
    let delivered = tokio::time::timeout(Duration::from_secs(30), handler.0.acquire()).await;
    delivered.unwrap().unwrap().forget();
    let stats = listener.stats();
    assert_eq!((stats.connections_accepted, stats.messages.total()), (1, 1));
    // It tried again and again, but not without a pause.
    assert!(stats.accept_errors.total() < 1000, "{stats:?}");
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
