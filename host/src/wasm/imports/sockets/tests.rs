//! Lookups of a guest that never end, or that nobody has granted.

use super::super::super::folders::GrantedFolders;
use super::*;
use crate::id::{GenerationNumber, HandlerName};
use crate::limits::HandlerLimits;
use crate::policy::OutboundGrants;
use crate::upstream::{BoxFuture, Resolve, Tls};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Finds loopback for `found.example` and nothing else, ever.
#[derive(Debug, Default)]
struct Unwell(Arc<AtomicUsize>);

impl Resolve for Unwell {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if host != "found.example" {
                std::future::pending::<()>().await;
            }
            Ok(vec![[127, 0, 0, 1].into()])
        })
    }
}

fn sockets(grants: &[&str], resolver: Unwell) -> Sockets {
    let grants: Vec<String> = grants.iter().map(ToString::to_string).collect();
    let private = crate::policy::Ranges::parse(&["127.0.0.0/8"]).unwrap();
    let (handler, generation) = (HandlerName::new("app"), GenerationNumber(1));
    let (resolver, tls) = (Arc::new(resolver), Arc::new(Tls::default()));
    Sockets::new(&Blueprint {
        handler: handler.clone(),
        generation,
        limits: HandlerLimits {
            outbound_connect: Duration::from_millis(100),
            ..HandlerLimits::default()
        },
        values: Arc::default(),
        environment: Vec::new(),
        folders: GrantedFolders::default(),
        buckets: Default::default(),
        tcp: Arc::new(TcpGrants::parse(&grants).unwrap().with_private(private)),
        signing: Default::default(),
        upstream: Arc::new(Upstream::new(
            OutboundGrants::default(),
            &HandlerLimits::default(),
            crate::upstream::OpenConnections::default(),
            Arc::default(),
            resolver,
            tls,
        )),
        meter: Arc::default(),
        reporter: Arc::new(Reporter::new(handler, generation, Arc::default())),
    })
}

async fn resolve(sockets: &Sockets, name: &str) -> Result<Vec<IpAddr>, UpstreamError> {
    sockets.clone().resolve(sockets.check_host(name)?).await
}

#[tokio::test]
async fn an_address_is_connected_to_as_the_answer_to_a_granted_name() {
    let sockets = sockets(&["found.example:80", "localhost:81"], Unwell::default());
    let connect = |port: u16| {
        sockets.allows(SocketAddr::from(([127, 0, 0, 1], port)), SocketAddrUse::TcpConnect)
    };
    assert!(!connect(80), "nobody has asked yet");
    // In whichever spelling: it is the name that is granted.
    assert_eq!(resolve(&sockets, "Found.example.").await.unwrap(), [IpAddr::from([127, 0, 0, 1])]);
    assert!(connect(80));
    assert!(!connect(81));
    resolve(&sockets, "localhost").await.unwrap();
    assert!(connect(81));
    assert!(matches!(resolve(&sockets, "other.example").await, Err(UpstreamError::Denied(_))));
}

#[tokio::test]
async fn lookups_that_never_end_are_few_and_given_up() {
    let resolver = Unwell::default();
    let asked = resolver.0.clone();
    let sockets = sockets(&["*:80"], resolver);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..50 {
        let sockets = sockets.clone();
        all.spawn(async move { resolve(&sockets, &format!("never-{number}.example")).await });
    }
    for found in all.join_all().await {
        assert_eq!(found.unwrap_err().phase(), "dns_timeout");
    }
    // As many as `upstream` looks up at once for one handler.
    assert_eq!(asked.load(Ordering::SeqCst), 16);
}
